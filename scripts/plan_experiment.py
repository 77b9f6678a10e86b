"""Estimate what the experiment will cost and what it can show, before anything trains."""

from pathlib import Path

from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.experiment import network_cells, planning
from neurograft.training import slices, tasks

logs.send_to_log(snakemake.log[0])
split, params = files.read_json(snakemake.input.splits), snakemake.params
target = split["tasks"]["classification"]["target"]
truths = {row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)}
subjects = tasks.SubjectFiles(slices.find_slices(snakemake.input.subjects), truths)
options = network_cells.CellOptions(**params.options)
plan = planning.plan_experiment(params.counts, split, subjects, params.backbones, options, params.judged)
files.write_json(snakemake.output.plan, plan)
Path(snakemake.output.words).write_text("\n".join(plan["words"]) + "\n", encoding="utf-8")
