"""List what later steps read of each subject, in one file."""

from neurograft import cases, logs, tables

logs.send_to_log(snakemake.log[0])
found = {name: list(files) for name, files in snakemake.input.items()}
rows = cases.gather_subjects(**found)
tables.write_table(snakemake.output[0], rows, ["subject", "slices", *found, "sha256"])
