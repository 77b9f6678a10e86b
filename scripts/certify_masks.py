"""Measure what the delivered networks mark in healthy heads."""

from neurograft.core import files, tables
from neurograft.delivery import false_alarms, mask_features
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
given, params = snakemake.input, snakemake.params
records = false_alarms.read_records(given.records)
chosen = false_alarms.Healthy(**params.healthy).choose(tables.read_table(given.cohort))
owner = files.read_json(given.splits)["tasks"]["segmentation"]["patients"]
volumes = mask_features.list_volumes(tables.read_table(given.measured))
heads, summary = false_alarms.certify_masks(records, chosen, owner, volumes, params.simulated)
tables.write_table(snakemake.output.heads, heads, false_alarms.HEADS)
tables.write_table(snakemake.output.summary, summary, false_alarms.SUMMARY)
