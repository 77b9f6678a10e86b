"""Score one source by its features of the labelled patients."""

from neurograft import logs, scoring, tables

logs.send_to_log(snakemake.log[0])
wildcards = snakemake.wildcards
rows = scoring.score_features(snakemake.input[0], wildcards.space, wildcards.source, snakemake.params.seed)
tables.write_table(snakemake.output[0], rows, scoring.SCORED)
