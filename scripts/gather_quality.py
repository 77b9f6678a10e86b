"""Gather every subject's quality records into one table, outliers marked."""

from neurograft import cases, images, logs, quality, site_effects, tables

logs.send_to_log(snakemake.log[0])
files = cases.find_records(snakemake.input[0]).values()
steps = ("status", "stripped", "registered", "normalized")
records = [[images.read_json(subject[step]) for subject in files] for step in steps]
rows = quality.gather_quality(*records)
tables.write_table(snakemake.output.quality, rows, columns=None if rows else ["subject"])
intensities = site_effects.gather_intensities(records[0], records[-1])
tables.write_table(snakemake.output.intensities, intensities, site_effects.COLUMNS)
