"""Score how well histograms alone distinguish the classes, as a control for the networks."""

from neurograft.core import files, tables
from neurograft.evaluation import scores
from neurograft.execution import logs
from neurograft.pictures import histogram_control, reading

logs.send_to_log(snakemake.log[0])
split = files.read_json(snakemake.input.splits)
target = split["tasks"]["classification"]["target"]
rows = histogram_control.score_contrast(
    split,
    reading.read_histograms(snakemake.input.slices),
    {row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)},
    snakemake.params.space,
)
tables.write_table(snakemake.output[0], rows, scores.SCORES)
