"""Read and check a set of pictures, and find the copies in it."""

from neurograft import cohort, image_sets, images, logs, tables

logs.send_to_log(snakemake.log[0])
rows, measured, record = image_sets.import_images(
    snakemake.output.slices, cohort.find_subjects(**snakemake.params.dataset), **snakemake.params.options
)
tables.write_table(snakemake.output.cohort, rows)
tables.write_table(snakemake.output.quality, measured, image_sets.QUALITY)
images.write_json(snakemake.output.record, record)
