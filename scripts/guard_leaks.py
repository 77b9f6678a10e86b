"""Look for the same head in two roles, and for patients that a source has seen; stop at a leak."""

from neurograft.cohort import layouts
from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.guard import cohort_prints, contamination, fingerprints, guarding, leaks, registry

logs.send_to_log(snakemake.log[0])
given, params = snakemake.input, snakemake.params
rows, subjects = tables.read_table(given.cohort), layouts.find_subjects(**params.dataset)
options = guarding.GuardOptions(registry.FOLDER, **params.options)
reader = cohort_prints.make_reader(rows, given.slices, subjects, params.dataset)
named = guarding.name_files(subjects, params.dataset["layout"])
record, prints = guarding.guard_cohort(rows, named, reader, options, params.store)
tables.write_table(params.table, record["leaks"], leaks.Leak.__annotations__)
leaks.stop_at_leaks(record["leaks"], params.allowed)
fingerprints.write_fingerprints(snakemake.output.fingerprints, prints)
tables.write_table(snakemake.output.sources, record["sources"], contamination.SourceVerdict.__annotations__)
files.write_json(snakemake.output.record, record)
