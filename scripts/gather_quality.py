"""Gather every subject's quality records into one table, outliers marked."""

from neurograft import images, logs, quality, site_effects, tables

logs.send_to_log(snakemake.log[0])
groups = (snakemake.input.statuses, snakemake.input.stripped, snakemake.input.registered, snakemake.input.normalized)
records = [[images.read_json(path) for path in group] for group in groups]
rows = quality.gather_quality(*records)
tables.write_table(snakemake.output.quality, rows, columns=None if rows else ["subject"])
intensities = site_effects.gather_intensities(records[0], records[-1])
tables.write_table(snakemake.output.intensities, intensities, site_effects.COLUMNS)
