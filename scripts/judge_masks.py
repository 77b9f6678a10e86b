"""Predict how good each delivered mask is, and judge such predictions on the labelled patients."""

from neurograft.core import files, tables
from neurograft.delivery import mask_quality
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
judged, unlabelled, summary = mask_quality.judge_masks(
    tables.read_table(snakemake.input.measured),
    tables.read_table(snakemake.input.scores),
    files.read_json(snakemake.input.splits),
    mask_quality.QualityOptions(**snakemake.params.options),
)
output = snakemake.output
tables.write_table(output.judged, judged, mask_quality.JUDGED)
tables.write_table(output.summary, summary, mask_quality.SUMMARY)
tables.write_table(output.unlabelled, unlabelled, mask_quality.UNLABELLED)
