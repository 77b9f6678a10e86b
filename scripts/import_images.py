"""Read and check a set of pictures, and find the copies in it."""

from neurograft import cohort, copies, image_sets, images, logs, tables

logs.send_to_log(snakemake.log[0])
found = cohort.find_subjects(**snakemake.params.dataset)
rows, measured, record = image_sets.import_images(snakemake.output.slices, found, **snakemake.params.options)
tables.write_table(snakemake.output.cohort, rows)
tables.write_table(snakemake.output.quality, measured, image_sets.QUALITY)
files = {subject: about["files"].get("image") for subject, about in found.items()}
copies.draw_copies(snakemake.output.copies, files, record["pairs"], lambda path: image_sets.read_picture(path)[0])
images.write_json(snakemake.output.record, record)
