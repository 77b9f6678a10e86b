"""Test of every source with a head whether it segments these patients as if it had been trained on them."""

from neurograft.core import files, tables
from neurograft.evaluation import assessment, comparison, source_membership
from neurograft.execution import logs
from neurograft.experiment import network_cells, source_losses
from neurograft.guard.contamination import read_barred
from neurograft.sources.weights import SourceFiles
from neurograft.training import slices, tasks

logs.send_to_log(snakemake.log[0])
given, params = snakemake.input, snakemake.params
split, subjects = files.read_json(given.splits), tasks.SubjectFiles(slices.find_slices(given.subjects))
options = network_cells.CellOptions(**params.options)
losses = {
    name: source_losses.measure_source(SourceFiles(row, path), split, subjects, options)
    for (name, row), path in zip(params.sources.items(), given.weights, strict=True)
}
cells, barred = assessment.read_networks(given.cells), read_barred(given.seen)
found = source_membership.probe_sources(losses, cells, comparison.list_patients(split), barred)
tables.write_table(snakemake.output[0], found, source_membership.SourceMembership.__annotations__)
