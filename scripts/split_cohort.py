"""Share the cohort out into folds by patient, and freeze them."""

from neurograft.cohort import splits
from neurograft.core import files, tables
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
split = splits.split_cohort(
    tables.read_table(snakemake.input.cohort),
    splits.QualityFindings.from_table(tables.read_table(snakemake.input.quality)),
    seed=snakemake.params.seed,
    target=snakemake.params.target,
    **snakemake.params.options,
)
files.write_json(snakemake.output[0], split)
