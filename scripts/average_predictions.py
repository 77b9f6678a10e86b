"""Average what the members of an ensemble predict."""

from neurograft import ensembles, logs

logs.send_to_log(snakemake.log[0])
cell = {"task": "segmentation", "strategy": snakemake.params.strategy, **snakemake.wildcards}
ensembles.average_predictions(snakemake.output[0], cell, snakemake.input.cells)
