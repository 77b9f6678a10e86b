"""Make a source from the cohort's unlabelled scans."""

from pathlib import Path

from neurograft.core import files
from neurograft.execution import logs
from neurograft.sources import pretraining
from neurograft.sources.weights import SourceFiles
from neurograft.training import loop, slices

logs.send_to_log(snakemake.log[0])
pretraining.pretrain_masked(
    Path(snakemake.output.weights).parent,
    snakemake.params.source,
    SourceFiles(snakemake.params.base, snakemake.input.weights),
    files.read_json(snakemake.input.splits),
    slices.find_slices(snakemake.input.subjects),
    loop.TrainingOptions(**snakemake.params.options),
)
