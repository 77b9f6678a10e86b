"""Score what histograms alone tell of the classes, beside the networks."""

from neurograft import contrast, evaluation, image_sets, images, logs, tables

logs.send_to_log(snakemake.log[0])
split = images.read_json(snakemake.input.splits)
target = split["tasks"]["classification"]["target"]
rows = contrast.score_contrast(
    split,
    image_sets.read_histograms(snakemake.input.slices),
    {row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)},
    snakemake.params.space,
)
tables.write_table(snakemake.output[0], rows, evaluation.SCORES)
