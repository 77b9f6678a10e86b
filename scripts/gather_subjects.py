"""List what later steps read of each subject, in one file."""

from neurograft.core import tables
from neurograft.execution import logs
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
found = {name: list(files) for name, files in snakemake.input.items()}

rows = slices.gather_subjects(**found)

tables.write_table(snakemake.output[0], rows, ["subject", "slices", *found, "sha256"])
