"""Fill in the verdict card of an EEG run."""

from neurograft.core import files, tables
from neurograft.eeg import card
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
filled = card.fill_people_card(
    tables.read_table(snakemake.input.comparison),
    tables.read_table(snakemake.input.scores),
    files.read_json(snakemake.input.splits),
    snakemake.params.settings,
)
files.write_json(snakemake.output[0], filled)
