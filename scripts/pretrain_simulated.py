"""Make a source from simulated patients."""

from pathlib import Path

from neurograft.core import files
from neurograft.execution import logs
from neurograft.sources import pretraining
from neurograft.training import loop

logs.send_to_log(snakemake.log[0])
params, options = snakemake.params, dict(snakemake.params.options)
sequences = files.read_json(snakemake.input.splits)["tasks"]["segmentation"]["sequences"]
scans = pretraining.SimulatedScans(sequences, params.aligned, params.spacing, params.method, options.pop("subjects"))
folder = Path(snakemake.output.weights).parent
pretraining.pretrain_simulated(folder, params.source, scans, loop.TrainingOptions(**options))
