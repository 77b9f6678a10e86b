"""Find out who of a source's cohort may be learnt from: labelled, and no patient of this cohort."""

from neurograft.cohort import cohort_table
from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.guard import registry, source_patients

logs.send_to_log(snakemake.log[0])
given, params, name = snakemake.input, snakemake.params, snakemake.wildcards.cohort
place = f"results/cohorts/{name}"
rows = cohort_table.gather_cohort([files.read_json(path) for path in given.statuses])
# one file is written by one job: the guard, and each comparison, keeps fingerprints of its own
source = source_patients.open_side(rows, params.dataset, place, f"{place}/fingerprints")
own = source_patients.open_side(tables.read_table(given.own), params.own, "results/work", f"{place}/fingerprints_own")
rows, record = source_patients.compare_cohorts(name, source, own, registry.FOLDER, params.releases)
tables.write_table(snakemake.output.cohort, rows)
files.write_json(snakemake.output.record, record)
