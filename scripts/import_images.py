"""Read and check a set of pictures, and find the copies in it."""

from neurograft.cohort import layouts
from neurograft.core import tables
from neurograft.core.files import write_json
from neurograft.execution import logs
from neurograft.pictures import duplicates, reading

logs.send_to_log(snakemake.log[0])
subjects = layouts.find_subjects(**snakemake.params.dataset)
rows, measured, record = reading.import_images(snakemake.output.slices, subjects, **snakemake.params.options)
tables.write_table(snakemake.output.cohort, rows)
tables.write_table(snakemake.output.quality, measured, reading.QUALITY)
files = {subject: about["files"].get("image") for subject, about in subjects.items()}
duplicates.draw_copies(snakemake.output.copies, files, record["pairs"], lambda path: reading.read_picture(path)[0])
write_json(snakemake.output.record, record)
