"""Gather the transferability scores of every source."""

from neurograft.core import tables
from neurograft.execution import logs
from neurograft.transferability import scores

logs.send_to_log(snakemake.log[0])
rows = scores.gather_scores(
    [row for path in snakemake.input for row in tables.read_table(path)],
    snakemake.params.volumes,
    snakemake.params.spaces,
)
tables.write_table(snakemake.output[0], rows, scores.SCORED)
