"""Score single lesions of the delivered masks of labelled patients."""

from neurograft.core import files, tables
from neurograft.evaluation import lesions
from neurograft.execution import logs
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
given = snakemake.input
rows = lesions.score_delivered(given.cells, files.read_json(given.splits), slices.find_records(given.subjects))
tables.write_table(snakemake.output.scores, rows, lesions.COLUMNS)
tables.write_table(snakemake.output.summary, lesions.summarise_lesions(rows), lesions.SUMMARY)
