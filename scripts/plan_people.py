"""Say before a run of EEG what it takes and what it can show."""

from pathlib import Path

from neurograft.core import files
from neurograft.eeg import planning
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
plan = planning.plan_people(**snakemake.params.asked)
files.write_json(snakemake.output.plan, plan)
Path(snakemake.output.words).write_text("\n".join(plan["words"]) + "\n", encoding="utf-8")
