"""List every subject's candidates and supervoxels, in one file."""

from neurograft.candidates import supervoxel_files
from neurograft.core import listings
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
rows = supervoxel_files.gather_candidates(snakemake.input)
listings.write_listing(snakemake.output[0], rows, ["subject", "record", "supervoxels"])
