"""Predict how good each mask is, judge such predictions and the probabilities, and rank labels to look at again."""

from neurograft.core import files, tables
from neurograft.delivery import chances, label_doubt, mask_quality
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
output, split = snakemake.output, files.read_json(snakemake.input.splits)
measured, scores = tables.read_table(snakemake.input.measured), tables.read_table(snakemake.input.scores)
options = mask_quality.QualityOptions(**snakemake.params.options)
judged, unlabelled, summary = mask_quality.judge_masks(measured, scores, split, options)
calibration, missed = chances.judge_chances(tables.read_table(snakemake.input.counted), split)
tables.write_table(output.judged, judged, mask_quality.JUDGED)
tables.write_table(output.summary, summary, mask_quality.SUMMARY)
tables.write_table(output.unlabelled, unlabelled, mask_quality.UNLABELLED)
tables.write_table(output.labels, label_doubt.rank_labels(measured, split), label_doubt.COLUMNS)
tables.write_table(output.calibration, calibration, chances.CALIBRATION)
tables.write_table(output.missed, missed, chances.MISSED)
