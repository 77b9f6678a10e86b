"""Order the patients without a label by how much they should get one, and replay such an order on the labelled."""

from neurograft.candidates import supervoxel_files
from neurograft.core import files, tables
from neurograft.delivery import label_order
from neurograft.execution import logs
from neurograft.experiment import supervoxel_cells
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
given, output = snakemake.input, snakemake.output
split = files.read_json(given.splits)
labelled = {row["participant_id"] for row in tables.read_table(given.cohort) if row["labels"] == "true"}
ordered = label_order.order_unlabelled(tables.read_table(given.measured), split, labelled)
patients = []
if given.candidates:
    found = supervoxel_files.find_supervoxels(given.candidates)
    inputs = supervoxel_cells.SupervoxelInputs(slices.find_slices(given.subjects), found)
    chosen = label_order.choose_labelled(split)
    read = (supervoxel_cells.read_patient(one, inputs, split["schemes"][one]) for one in chosen)
    patients = [{name: patient[name] for name in label_order.NEEDED} for patient in read]
rows = label_order.replay_order(patients, snakemake.params.seed)
tables.write_table(output.order, ordered, label_order.ORDER)
tables.write_table(output.replay, rows, label_order.REPLAY)
tables.write_table(output.summary, [label_order.judge_order(rows, len(patients))], label_order.SUMMARY)
