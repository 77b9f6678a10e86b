"""Score one source by its features of the labelled patients."""

from neurograft.core import tables
from neurograft.execution import logs
from neurograft.transferability import scores

logs.send_to_log(snakemake.log[0])
wildcards = snakemake.wildcards
rows = scores.score_features(snakemake.input[0], wildcards.space, wildcards.source, snakemake.params.seed)
tables.write_table(snakemake.output[0], rows, scores.SCORED)
