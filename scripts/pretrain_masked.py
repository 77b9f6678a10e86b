"""Make a source from the cohort's unlabelled scans."""

from pathlib import Path

from neurograft import cases, images, logs, pretraining

logs.send_to_log(snakemake.log[0])
pretraining.pretrain_masked(
    Path(snakemake.output.weights).parent,
    snakemake.params.source,
    snakemake.params.base,
    snakemake.input.weights,
    images.read_json(snakemake.input.splits),
    cases.find_slices(snakemake.input.subjects),
    **snakemake.params.options,
)
