"""Gather every subject's status into the table of who is in and who is out."""

from neurograft import cohort_rows, derivatives, images, logs, tables

logs.send_to_log(snakemake.log[0])
rows = cohort_rows.gather_cohort([images.read_json(path) for path in snakemake.input])
tables.write_table(snakemake.output.cohort, rows)
derivatives.describe_dataset(snakemake.output.description)
