"""Score one cell's predictions on the native grid."""

from neurograft.core import files, tables
from neurograft.evaluation import scores
from neurograft.execution import logs
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
rows = scores.score_cell(
    snakemake.input.cell,
    files.read_json(snakemake.input.splits),
    slices.find_records(snakemake.input.subjects),
)
tables.write_table(snakemake.output[0], rows, scores.BUDGET_SCORES)
