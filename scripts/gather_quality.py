"""Gather every subject's quality records into one table, outliers marked."""

from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.preprocessing import quality_table
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
subjects = slices.find_records(snakemake.input[0]).values()
steps = ("status", "stripped", "registered", "normalized")
records = [[files.read_json(subject[step]) for subject in subjects] for step in steps]
rows = quality_table.gather_quality(*records)
tables.write_table(snakemake.output.quality, rows, columns=None if rows else ["subject"])
intensities = quality_table.gather_intensities(records[0], records[-1])
tables.write_table(snakemake.output.intensities, intensities, quality_table.COLUMNS)
