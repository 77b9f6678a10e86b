"""The losses of a source as it is, before any training, on the labelled patients of the cohort."""

from collections.abc import Mapping

import torch

from neurograft.experiment.network_cells import CellOptions
from neurograft.experiment.training_records import choose_subjects, count_inputs, measure_fit
from neurograft.networks import builders, compute, encoders_3d
from neurograft.sources.tops import read_top
from neurograft.sources.weights import SourceFiles, load_weights
from neurograft.training import loop, tasks


def measure_source(source: SourceFiles, split, subjects: tasks.SubjectFiles, options: CellOptions):
    """Measure the loss of a source's own segmenter on every labelled subject, on the inputs of `fit.tsv`.

    Parameters
    ----------
    source : weights.SourceFiles
    split : dict
        `splits.json`.
    subjects : tasks.SubjectFiles
    options : CellOptions
        Of the run, which say how many inputs of a patient are measured.

    Returns
    -------
    dict of str to float, or str
        Subject to loss; or, in one line, why it cannot be measured.
    """
    about = split["tasks"]["segmentation"]
    if not about["trainable"]:
        return about["reason"]
    manifest = source.manifest
    if not manifest.get("made", True):
        return manifest["reason"]
    task = tasks.open_task(split, {"task": "segmentation"}, subjects, (), about["subjects"])
    network, reason = _build(source, manifest, len(about["sequences"]), task.outputs)
    if reason:
        return reason
    chosen = options.choose(source.row["backbone"])
    count, draw = count_inputs(chosen, about["subjects"]), loop.inputs(network).draw_fixed
    names = [name for name, _ in choose_subjects({"train": about["subjects"], "test": []}, about["subjects"])]
    with compute.reproducible(0, chosen["threads"]), torch.no_grad():
        return {name: measure_fit(network, "segmentation", *draw(task.read(name), count))["loss"] for name in names}


def _build(source: SourceFiles, manifest: Mapping, channels: int, regions):
    """Build the source's segmenter for the cohort's channels and regions; or say why that is none."""
    state = load_weights(source.weights, source.row["sha256"])
    top, outputs = read_top(source, manifest, state)
    lacking = [region for region in regions if region not in outputs]
    if lacking:
        told = ", ".join(outputs) or "nothing"
        return None, f"it has no head of the task: it tells {told}, and the labels also {', '.join(lacking)}"
    with compute.reproducible(0, 1):
        network = builders.build_segmenter(source.row["backbone"], channels, len(regions))
    builders.load_source(network, encoders_3d.rename_weights(source.row["backbone"], state))
    builders.load_top(network, top, list(outputs), regions)
    return network, ""
