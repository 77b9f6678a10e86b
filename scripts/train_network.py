"""Train one cell of the experiment and predict its test patients."""

from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.experiment import network_cells
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])

split = files.read_json(snakemake.input.splits)

target = split["tasks"]["classification"]["target"]

network_cells.train_cell(
    snakemake.output[0],
    split,
    dict(snakemake.wildcards.items()),
    snakemake.params.source,
    snakemake.input.weights,
    slices.find_slices(snakemake.input.subjects),
    truths={row["participant_id"]: row.get(target) for row in tables.read_table(snakemake.input.cohort)},
    **dict.fromkeys(("predict_unlabelled", "keep_weights"), snakemake.params.delivered),
    candidates=slices.find_candidates(snakemake.input.candidates),
    checkpoint=snakemake.params.checkpoint,
    **snakemake.params.options,
)
