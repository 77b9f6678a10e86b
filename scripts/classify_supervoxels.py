"""Fit a cell's classifiers of supervoxels and predict its test patients."""

from neurograft.candidates import supervoxel_files
from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.experiment import supervoxel_cells
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
cohort = tables.read_table(snakemake.input.cohort)
inputs = supervoxel_cells.SupervoxelInputs(
    slices.find_slices(snakemake.input.subjects),
    supervoxel_files.find_supervoxels(snakemake.input.candidates),
    snakemake.params.features,
    next(iter(snakemake.input.pooled), None),
    {row["participant_id"]: row.get("site", "") for row in cohort} if snakemake.params.harmonise else None,
)
split, cell = files.read_json(snakemake.input.splits), {"task": "segmentation", **snakemake.wildcards}
supervoxel_cells.classify_supervoxels(snakemake.output[0], split, cell, inputs, snakemake.params.unlabelled)
