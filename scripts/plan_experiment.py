"""Say what the experiment will cost and what it can show, before anything trains."""

from pathlib import Path

from neurograft import cases, images, logs, planning, tables

logs.send_to_log(snakemake.log[0])
split = images.read_json(snakemake.input.splits)
target = split["tasks"]["classification"]["target"]
plan = planning.plan_experiment(
    snakemake.params.counts,
    split,
    cases.find_slices(snakemake.input.subjects),
    snakemake.params.backbones,
    snakemake.params.compared,
    truths={row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)},
    **snakemake.params.options,
)
images.write_json(snakemake.output.plan, plan)
Path(snakemake.output.words).write_text("\n".join(plan["words"]) + "\n", encoding="utf-8")
