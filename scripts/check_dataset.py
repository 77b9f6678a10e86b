"""Survey the dataset from names and headers."""

from pathlib import Path

from neurograft.cohort import layouts, survey
from neurograft.core import files
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
dataset = snakemake.params.dataset
subjects, roots = layouts.find_subjects(**dataset), survey.resolve_roots(dataset)
seen = survey.survey_dataset(subjects, dataset["layout"], roots, dataset["choose"])
files.write_json(snakemake.output.survey, seen)
Path(snakemake.output.words).write_text(survey.write_lines(seen), encoding="utf-8")
