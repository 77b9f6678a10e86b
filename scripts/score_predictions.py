"""Score one cell's predictions on the native grid."""

from neurograft import cases, evaluation, images, logs, outcomes, tables

logs.send_to_log(snakemake.log[0])
rows = outcomes.score_cell(
    snakemake.input.cell,
    images.read_json(snakemake.input.splits),
    cases.find_records(snakemake.input.subjects),
)
tables.write_table(snakemake.output[0], rows, evaluation.SCORES)
