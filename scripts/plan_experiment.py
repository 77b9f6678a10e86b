"""Say what the experiment will cost and what it can show, before anything trains."""

from pathlib import Path

from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.experiment import planning
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])

split = files.read_json(snakemake.input.splits)

target = split["tasks"]["classification"]["target"]
plan = planning.plan_experiment(
    snakemake.params.counts,
    split,
    slices.find_slices(snakemake.input.subjects),
    snakemake.params.backbones,
    snakemake.params.compared,
    truths={row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)},
    **snakemake.params.options,
)

files.write_json(snakemake.output.plan, plan)

Path(snakemake.output.words).write_text("\n".join(plan["words"]) + "\n", encoding="utf-8")
