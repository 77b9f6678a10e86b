"""Gather every subject's quality records into one table, outliers marked."""

from neurograft import images, logs, quality, tables

logs.send_to_log(snakemake.log[0])
groups = (snakemake.input.statuses, snakemake.input.stripped, snakemake.input.registered, snakemake.input.normalized)
rows = quality.gather_quality(*[[images.read_json(path) for path in group] for group in groups])
tables.write_table(snakemake.output[0], rows, columns=None if rows else ["subject"])
