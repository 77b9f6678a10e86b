"""Write the page of an EEG run, the table of people, and the answer alone."""

from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.report import eeg_page

logs.send_to_log(snakemake.log[0])
settings = snakemake.params.settings
found = {name: tables.read_table(f"{snakemake.params.evaluation}/{name}.tsv") for name in eeg_page.TABLES}
records, heads = (
    [files.read_json(path) for path in paths] for paths in (snakemake.input.records, snakemake.input.heads)
)
split = files.read_json(snakemake.input.splits)
rows = eeg_page.list_people(settings["people"], records, heads, split, settings["left_out"])
eeg_page.write_eeg_page(snakemake.output.page, snakemake.output.words, found, settings | {"rows": rows})
tables.write_table(snakemake.output.people, rows, eeg_page.PEOPLE)
tables.write_table(snakemake.output.claims, eeg_page.list_claims(found), eeg_page.CLAIMS)
