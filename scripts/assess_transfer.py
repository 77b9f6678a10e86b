"""Say what transfer bought and changed, over all cells."""

from neurograft.core import files, tables
from neurograft.evaluation import assessment
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
found = assessment.assess_transfer(
    snakemake.input.cells,
    tables.read_table(snakemake.input.scores),  # as text: see `frames.parse_values`
    files.read_json(snakemake.input.splits),
    tables.read_table(snakemake.input.cohort),
    snakemake.params.kin,
)
for name, columns in assessment.COLUMNS.items():
    tables.write_table(snakemake.output[name], found[name], columns)
