"""List every subject's candidates and supervoxels, in one file."""

from neurograft.candidates import supervoxel_files
from neurograft.core import tables
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
rows = supervoxel_files.gather_candidates(snakemake.input)
tables.write_table(snakemake.output[0], rows, ["subject", "record", "supervoxels", "sha256"])
