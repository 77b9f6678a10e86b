"""Choose the strategy that loses least if it is the wrong choice."""

from neurograft.core import files, tables
from neurograft.evaluation.comparison import ComparisonRow
from neurograft.evaluation.recommendation import recommend_strategy
from neurograft.evaluation.records import ScoreRow
from neurograft.evaluation.scores import TimeRow
from neurograft.execution import logs
from neurograft.guard.contamination import read_barred

logs.send_to_log(snakemake.log[0])
given, params = snakemake.input, snakemake.params
scores, compared = (
    tables.read_typed_table(given.scores, ScoreRow),
    tables.read_typed_table(given.comparison, ComparisonRow),
)
times = tables.read_typed_table(given.times, TimeRow)
barred = read_barred(given.seen, params.allowed)
split = files.read_json(given.splits)
answer = recommend_strategy(scores, compared, times, split, params.licences, params.kin, barred)
files.write_json(snakemake.output[0], answer)
