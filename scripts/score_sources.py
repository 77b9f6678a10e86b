"""Gather the transferability scores of every source."""

from neurograft import logs, scoring, tables

logs.send_to_log(snakemake.log[0])
rows = scoring.gather_scores(
    [row for path in snakemake.input for row in tables.read_table(path)],
    snakemake.params.volumes,
    snakemake.params.spaces,
)
tables.write_table(snakemake.output[0], rows, scoring.SCORED)
