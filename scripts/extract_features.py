"""Run one source's frozen encoder over slices of every labelled patient."""

from neurograft import cases, features, images, logs

logs.send_to_log(snakemake.log[0])
features.extract_features(
    snakemake.output[0],
    snakemake.params.source,
    snakemake.input.weights,
    images.read_json(snakemake.input.splits),
    cases.find_slices(snakemake.input.subjects),
    seed=snakemake.params.seed,
)
