"""Compare the same networks by slice and by patient."""

from pathlib import Path

from neurograft.core import files, tables
from neurograft.evaluation import comparison, replay
from neurograft.evaluation.records import ScoreRow
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
split, inputs = files.read_json(snakemake.input.splits), snakemake.input
rows = replay.compare_splits(replay.read_cells(inputs.cells), split["tasks"]["classification"])
scores = tables.read_typed_table(inputs.scores, ScoreRow)
dice = replay.average_dice(scores, replay.read_oracles(inputs.candidates), comparison.list_patients(split))
words = replay.describe_replay(rows, dice, tables.read_table(inputs.comparison), snakemake.params.study)
tables.write_table(snakemake.output.table, rows, replay.REPLAY)
tables.write_table(snakemake.output.dice, dice, replay.DICE)
Path(snakemake.output.words).write_text(words, encoding="utf-8")
