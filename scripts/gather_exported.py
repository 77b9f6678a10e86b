"""Lay the cohort and its folds out as other programs read them."""

from neurograft.core import files
from neurograft.exchange import training_sets
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
exported = dict(zip(snakemake.params.subjects, snakemake.input.scans, strict=True))
split = files.read_json(snakemake.input.splits)
training_sets.gather_exported(snakemake.output[0], split, exported, **snakemake.params.options)
