"""Make the negative control of a source: its weights in another order."""

from pathlib import Path

from neurograft.execution import logs
from neurograft.sources import shuffling
from neurograft.sources.weights import SourceFiles

logs.send_to_log(snakemake.log[0])
params = snakemake.params
shuffling.shuffle_source(
    Path(snakemake.output.weights).parent, params.source, SourceFiles(params.base, snakemake.input.weights), params.seed
)
