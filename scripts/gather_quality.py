"""Gather every subject's quality records into one table, outliers marked."""

from neurograft import cases, images, logs, quality, tables

logs.send_to_log(snakemake.log[0])
files = cases.find_records(snakemake.input[0]).values()
steps = ("status", "stripped", "registered", "normalized")
rows = quality.gather_quality(*[[images.read_json(subject[step]) for subject in files] for step in steps])
tables.write_table(snakemake.output[0], rows, columns=None if rows else ["subject"])
