"""Average one source's features over the supervoxels of every subject."""

from neurograft import cases, images, logs, pooling, supervoxel_files

logs.send_to_log(snakemake.log[0])
pooling.pool_features(
    snakemake.output[0],
    snakemake.params.source,
    snakemake.input.weights,
    images.read_json(snakemake.input.splits),
    cases.find_slices(snakemake.input.subjects),
    supervoxel_files.find_supervoxels(snakemake.input.candidates),
    snakemake.params.random,
    snakemake.params.seed,
)
