"""List what later steps read of each subject, in one file."""

from neurograft.core import listings
from neurograft.execution import logs
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
found = {name: list(files) for name, files in snakemake.input.items()}
rows = slices.gather_subjects(**found)
listings.write_listing(snakemake.output[0], rows, ["subject", "slices", *found])
