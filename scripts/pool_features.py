"""Average one source's features over the supervoxels of every subject."""

from neurograft.candidates import supervoxel_files
from neurograft.core import files
from neurograft.execution import logs
from neurograft.sources.weights import SourceFiles
from neurograft.training import slices
from neurograft.transferability import features

logs.send_to_log(snakemake.log[0])
features.pool_features(
    snakemake.output[0],
    SourceFiles(snakemake.params.source, snakemake.input.weights),
    files.read_json(snakemake.input.splits),
    slices.find_slices(snakemake.input.subjects),
    supervoxel_files.find_supervoxels(snakemake.input.candidates),
    snakemake.params.random,
    snakemake.params.seed,
)
