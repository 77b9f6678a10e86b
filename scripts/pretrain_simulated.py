"""Make a source from simulated patients."""

from pathlib import Path

from neurograft.core import files
from neurograft.execution import logs
from neurograft.sources import pretraining

logs.send_to_log(snakemake.log[0])

task = files.read_json(snakemake.input.splits)["tasks"]["segmentation"]

pretraining.pretrain_simulated(
    Path(snakemake.output.weights).parent,
    snakemake.params.source,
    task["sequences"],
    snakemake.params.aligned,
    snakemake.params.spacing,
    snakemake.params.method,
    **snakemake.params.options,
)
