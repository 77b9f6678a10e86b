"""Decode one person with every strategy in every space."""

from neurograft.core import files, tables
from neurograft.eeg import transfer
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
scores, chosen = transfer.decode(
    snakemake.wildcards.subject,
    files.read_json(snakemake.input.splits),
    dict(zip(snakemake.params.people, zip(snakemake.input.trials, snakemake.input.gains, strict=True), strict=True)),
    snakemake.params.options,
    snakemake.params.seed,
)
tables.write_table(snakemake.output.scores, scores, transfer.SCORES)
tables.write_table(snakemake.output.chosen, chosen, transfer.CHOSEN)
