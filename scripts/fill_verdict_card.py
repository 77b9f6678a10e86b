"""Fill in the verdict card: what the run found, without anything of a patient."""

from neurograft.core import files, tables
from neurograft.evaluation import verdict_card
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
card = verdict_card.fill_verdict_card(
    tables.read_table(snakemake.input.comparison),
    tables.read_table(snakemake.input.times),
    files.read_json(snakemake.input.splits),
    snakemake.params.settings,
)
files.write_json(snakemake.output[0], card)
