"""Gather every subject's status into the table of who is in and who is out."""

from neurograft.cohort import cohort_table
from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.imaging import derivatives

logs.send_to_log(snakemake.log[0])
rows = cohort_table.gather_cohort([files.read_json(path) for path in snakemake.input])
tables.write_table(snakemake.output.cohort, rows)
derivatives.describe_dataset(snakemake.output.description)
derivatives.remove_others(snakemake.params.delivered, [row["participant_id"] for row in rows if row["included"]])
