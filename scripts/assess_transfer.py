"""Say what transfer bought and changed, over all cells."""

from neurograft.core import files, tables
from neurograft.delivery import mask_features
from neurograft.evaluation import assessment, budgets, comparison
from neurograft.evaluation.records import BudgetScore
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
split, params = files.read_json(snakemake.input.splits), snakemake.params
networks = assessment.read_networks(snakemake.input.cells)
found = assessment.assess_transfer(
    networks,
    tables.read_table(snakemake.input.scores),  # as text: see `frames.parse_values`
    split,
    tables.read_table(snakemake.input.cohort),
    params.kin,
    mask_features.list_volumes(tables.read_table(snakemake.input.masks) if snakemake.input.masks else ()),
)
gains = budgets.list_gains(
    # read only if a training was cut
    (row for path in snakemake.input.cut for row in tables.read_typed_table(path, BudgetScore)),
    networks,
    split,
    params.primary,
    params.kin,
    comparison.Judging(**params.judging),
)
tables.write_table(snakemake.output.gain_by_budget, gains, budgets.GAINS)
for name, columns in assessment.COLUMNS.items():
    tables.write_table(snakemake.output[name], found[name], columns)
