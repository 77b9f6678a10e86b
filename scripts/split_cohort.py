"""Share the cohort out into folds by patient, and freeze them."""

from neurograft.cohort import splits
from neurograft.core import files, tables
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
quality = tables.read_table(snakemake.input.quality)
split = splits.split_cohort(
    tables.read_table(snakemake.input.cohort),
    {row["subject"]: [row["flags"]] for row in quality if row["flags"]},
    seed=snakemake.params.seed,
    target=snakemake.params.target,
    tumour_free=[row["subject"] for row in quality if row["tumour_free"] == "true"],
    **snakemake.params.options,
)

files.write_json(snakemake.output[0], split)
