"""Measure the delivered networks' masks without their labels, and how far the labels contradict them."""

from neurograft.core import files, tables
from neurograft.delivery import chances, mask_features
from neurograft.execution import logs
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
rows, counted = mask_features.measure_masks(
    snakemake.input.cells,
    snakemake.input.peers,
    files.read_json(snakemake.input.splits),
    slices.find_slices(snakemake.input.subjects),
)
tables.write_table(snakemake.output.measured, rows, mask_features.COLUMNS)
tables.write_table(snakemake.output.counted, counted, chances.COUNTED)
