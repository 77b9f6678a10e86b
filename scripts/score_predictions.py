"""Score one cell's predictions on the native grid."""

from neurograft import evaluation, images, logs, outcomes, tables

logs.send_to_log(snakemake.log[0])
statuses = [images.read_json(path) for path in snakemake.input.statuses]
records = [outcomes.read_registration(path) for path in snakemake.input.registered]
names = [status["subject"] for status in statuses]
rows = outcomes.score_cell(
    snakemake.input.cell,
    images.read_json(snakemake.input.splits),
    dict(zip(names, statuses, strict=True)),
    dict(zip(names, records, strict=True)),
)
tables.write_table(snakemake.output[0], rows, evaluation.SCORES)
