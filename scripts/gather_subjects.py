"""List what later steps read of each subject, in one file."""

from neurograft import cases, logs, tables

logs.send_to_log(snakemake.log[0])
found = snakemake.input
rows = cases.gather_subjects(found.slices, found.statuses, found.registered)
tables.write_table(snakemake.output[0], rows, ["subject", "slices", "status", "registered", "sha256"])
