"""Run one source's frozen encoder over slices of every labelled patient."""

from pathlib import Path

from neurograft import features, images, logs

logs.send_to_log(snakemake.log[0])
features.extract_features(
    snakemake.output[0],
    snakemake.params.source,
    snakemake.input.weights,
    images.read_json(snakemake.input.splits),
    {Path(folder).parents[1].name.removeprefix("sub-"): folder for folder in snakemake.input.slices},
    seed=snakemake.params.seed,
)
