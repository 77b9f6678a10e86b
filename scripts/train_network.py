"""Train one cell of the experiment and predict its test patients."""

from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.experiment import network_cells
from neurograft.sources.weights import SourceFiles
from neurograft.training import slices, tasks

logs.send_to_log(snakemake.log[0])
split, delivered = files.read_json(snakemake.input.splits), snakemake.params.delivered
target, candidates = split["tasks"]["classification"]["target"], slices.find_candidates(snakemake.input.candidates)
truths = {row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)}
network_cells.train_cell(
    network_cells.CellOutput(snakemake.output[0], snakemake.params.unlabelled, delivered, snakemake.params.checkpoint),
    split,
    dict(snakemake.wildcards.items()),
    SourceFiles(snakemake.params.source, snakemake.input.weights),
    tasks.SubjectFiles(slices.find_slices(snakemake.input.subjects), truths, candidates),
    network_cells.CellOptions(**snakemake.params.options),
)
