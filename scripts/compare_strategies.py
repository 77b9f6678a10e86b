"""Gather every cell's scores, and compare the strategies over patients."""

from neurograft.core import files, tables
from neurograft.evaluation import comparison
from neurograft.evaluation.records import BudgetScore
from neurograft.evaluation.scores import SCORES, TIMES
from neurograft.execution import logs
from neurograft.guard.contamination import read_barred

logs.send_to_log(snakemake.log[0])
params = snakemake.params
scores, compared, again, times = comparison.compare_cells(
    snakemake.input.cells,
    [row for path in snakemake.input.scores for row in tables.read_typed_table(path, BudgetScore)],
    files.read_json(snakemake.input.splits),
    params.primary,
    params.kin,
    comparison.Judging(**params.judging, barred=read_barred(snakemake.input.seen, params.allowed)),
)
tables.write_table(snakemake.output.scores, scores, SCORES)
tables.write_table(snakemake.output.comparison, compared, comparison.COMPARISON)
tables.write_table(snakemake.output.again, again, comparison.COMPARISON)
tables.write_table(snakemake.output.times, times, TIMES)
