"""Hold the transferability scores against the gains that were measured."""

from neurograft.core import tables
from neurograft.execution import logs
from neurograft.transferability import scores

logs.send_to_log(snakemake.log[0])
rows = scores.audit_scores(
    tables.read_table(snakemake.input.scored), tables.read_table(snakemake.input.comparison), snakemake.params.primary
)
tables.write_table(snakemake.output[0], rows, scores.AUDIT)
