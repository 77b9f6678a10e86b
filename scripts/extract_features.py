"""Run one source's frozen encoder over slices of every labelled patient."""

from neurograft.core import files
from neurograft.execution import logs
from neurograft.training import slices
from neurograft.transferability import features

logs.send_to_log(snakemake.log[0])
features.extract_features(
    snakemake.output[0],
    snakemake.params.source,
    snakemake.input.weights,
    files.read_json(snakemake.input.splits),
    slices.find_slices(snakemake.input.subjects),
    seed=snakemake.params.seed,
)
