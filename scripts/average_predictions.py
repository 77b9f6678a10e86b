"""Average what the members of an ensemble predict."""

from neurograft.execution import logs
from neurograft.experiment import ensemble_cells

logs.send_to_log(snakemake.log[0])
cell = {"task": "segmentation", "strategy": snakemake.params.strategy, **snakemake.wildcards}
ensemble_cells.average_predictions(snakemake.output[0], cell, snakemake.input.cells)
