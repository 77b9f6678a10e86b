"""One cell of the experiment, from files to files: train a network, predict its test patients.

A cell is task x source x strategy x space x split x n x fold x seed. Its folder is what evaluation, delivery and
report read:

manifest.json     what was trained, on whom, from what; `trained` false and `reason` where it could not be
history.tsv       step, phase, loss, train_dice or train_accuracy, rate
seconds.tsv       step, seconds: the only file with times
sub-X.npz         segmentation: an array for each region, uint8 (0 to 255 for 0 to 1), on the brain's `box` of
                  the grid of its space, and `box`
predictions.tsv   classification: subject, slice (on the grid of its space; empty where the patient is the unit),
                  class, probability, truth; predictions_unlabelled.tsv the same without truth
weights.pt        where asked for
"""

import hashlib
import sys
from importlib.metadata import version

import numpy as np
import torch

from . import images, inference, networks, sources, splits, strategies, tables, training
from .cases import classification_case, segmentation_case
from .regions import region_values

TUMOUR_SHARE = 0.67  # of the slices of a batch
OPTIONS = {"steps": 400, "batch": 16, "threads": 1}
LIBRARIES = ("torch", "monai", "numpy")


def train_cell(
    out_folder,
    split,
    cell,
    source,
    weights,
    slices,
    truths=None,
    predict_unlabelled=False,
    keep_weights=False,
    **options,
):
    """Train one cell, predict its test patients, and write its folder, whole or not at all.

    Parameters
    ----------
    out_folder : str or Path
    split : dict
        `splits.json`.
    cell : dict
        `task`, `source`, `strategy`, `space`, `split`, `n`, `fold`, `seed`.
    source : dict
        Row of `sources.tsv`: its backbone is always used, its weights only where the strategy loads them.
    weights : str or Path
    slices : dict of str to path
        Subject to its folder of `images.npy`, `labels.npy` and `index.json`, in the cell's space.
    truths : dict of str to str, optional
        Subject to class, where a column of the cohort is the target.
    predict_unlabelled, keep_weights : bool
        Predict the subjects without labels too; write `weights.pt`.
    **options
        `steps`, `batch` and `threads` of `training.train`.

    Returns
    -------
    dict
        The manifest, as written: `trained` false, and `reason`, where the split allows no training.
    """
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    with images.whole(out_folder) as part:
        part.mkdir()
        manifest = {**cell, "trained": False, "splits": split["hash"], "backbone": source["backbone"]}
        roles, reason = assign_roles(split, cell)
        if reason:
            manifest["reason"] = reason
        else:
            if not predict_unlabelled:
                roles["unlabelled"] = []
            readers = _case_readers(split, cell, slices, truths)
            manifest |= _train_and_predict(part, manifest, roles, readers, (source, weights), OPTIONS | options)
            if not keep_weights:
                (part / "weights.pt").unlink()
        images.write_json(part / "manifest.json", manifest)
    return manifest


def assign_roles(split, cell):
    """Name the training, test and unlabelled subjects of a cell, no patient in two roles.

    Returns
    -------
    roles : dict of str to list of str
    reason : str
        Why the cell cannot be trained, or nothing.

    Raises
    ------
    ValueError
        If the split was edited, or puts a patient into two roles.
    """
    splits.verify_hash(split)
    splits.assert_disjoint(split)
    task = split["tasks"][cell["task"]]
    if not task["trainable"]:
        return {}, task["reason"]
    dealt, n = task[cell["split"]], cell["n"]
    if cell["fold"] >= len(dealt):
        return {}, f"{cell['split']} has {len(dealt)} folds: no fold {cell['fold']}"
    fold = dealt[cell["fold"]]
    if n != "all" and int(n) > len(fold["train"]):
        return {}, f"n is {n}, but fold {cell['fold']} has {len(fold['train'])} training subjects"
    train = splits.training_subjects(split, cell["task"], cell["fold"], n, cell["seed"], cell["split"])
    roles = {"train": train, "test": list(fold["test"]), "unlabelled": list(task["unlabelled"])}
    owner = task["patients"]
    both = {owner[s] for s in train} & {owner[s] for s in roles["test"]} | set(train) & set(roles["unlabelled"])
    if both:
        raise ValueError(f"{sorted(both)} are in training and test")
    return roles, ""


def hash_weights(network):
    """Give the SHA-256 over names and bytes of all of a network's tensors."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _train_and_predict(part, cell, roles, readers, source, options):
    """Carry a cell out inside its unfinished folder; give what the manifest gains."""
    read, outputs, shares = readers
    stream = int(np.random.SeedSequence([cell["seed"], cell["fold"]]).generate_state(1)[0])
    cases = [read(subject) for subject in roles["train"]]
    with training.reproducible(stream, options["threads"]):
        build = {"segmentation": networks.build_segmenter, "classification": networks.build_classifier}[cell["task"]]
        network = build(cell["backbone"], len(cases[0]["channels"]), len(outputs))
        plan = strategies.plan(cell["strategy"], network)
        loaded = {"loaded_share": None, "why": {}}
        if plan.loads:
            row, weights = source
            loaded = networks.load_source(network, sources.load_weights(weights, row["sha256"]))
        common = {"batch": options["batch"], "seed": stream, "threads": options["threads"]}
        if plan.estimate_norms:
            training.estimate_norms(network, cases, **common)
        history, seconds = training.train(
            network, cases, plan.phases, cell["task"], shares, steps=options["steps"], log=_log, **common
        )
        WRITERS[cell["task"]](part, network, read, roles, outputs, options["threads"])
    tables.write_table(part / "history.tsv", history)
    times = [{"step": row["step"], "seconds": value} for row, value in zip(history, seconds, strict=True)]
    tables.write_table(part / "seconds.tsv", times)
    torch.save({name: value.cpu() for name, value in network.state_dict().items()}, part / "weights.pt")
    return _describe(network, plan, loaded, history, roles) | {"outputs": outputs, **options}


def _describe(network, plan, loaded, history, roles):
    """What a manifest says of a training that took place."""
    trained = {name for phase in plan.phases for name in phase.rates}
    sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
    return {
        "trained": True,
        "reason": "",
        "subjects": len(roles["train"]),
        **roles,
        "loaded_share": loaded["loaded_share"],
        "not_loaded": loaded["why"],
        "converged": training.is_converged([row["loss"] for row in history]),
        "weights_sha256": hash_weights(network),
        "parameters_trained": sum(size for name, size in sizes.items() if name in trained),
        "parameters_frozen": sum(size for name, size in sizes.items() if name not in trained),
        "phases": [{"share": p.share, "rates": sorted(set(p.rates.values()))} for p in plan.phases],
        "device": training.device().type,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _case_readers(split, cell, slices, truths):
    """Give what depends on the task: how to read a subject, the outputs' names, the strata's shares."""
    task = split["tasks"][cell["task"]]
    if cell["task"] == "segmentation":
        regions = list(region_values(split["scheme"]))

        def read(subject, labelled=True):
            return segmentation_case(slices[subject], task["sequences"], split["schemes"][subject], labelled)

        return read, regions, {"tumour": TUMOUR_SHARE, "rest": 1 - TUMOUR_SHARE}
    of_slices = task["target"] == splits.SLICE_TARGET
    if not of_slices and truths is None:
        raise ValueError(f"the target is the column {task['target']}: `truths` has to give each subject's class")

    def read(subject, labelled=True):
        truth = None if of_slices or not labelled else truths[subject]
        return classification_case(slices[subject], task["sequences"], task["classes"], truth, labelled) | {
            "pooled": not of_slices
        }

    return read, list(task["classes"]), dict.fromkeys(task["classes"], 1.0)


def _write_segmentation(part, network, read, roles, outputs, threads):
    """Predict and write one `sub-X.npz` a subject."""
    for subject in roles["test"] + roles["unlabelled"]:
        case = read(subject, labelled=False)
        chances = inference.predict_volume(network, case["images"][:, case["channels"]], threads=threads)
        packed = {name: np.rint(255 * chance).astype(np.uint8) for name, chance in zip(outputs, chances, strict=True)}
        np.savez_compressed(part / f"sub-{subject}.npz", **packed, box=np.asarray(case["index"]["box"]))
        _log(f"predicted {subject}")


def _write_classification(part, network, read, roles, outputs, threads):
    """Predict and write a table: a row a unit and class; the truth is empty where it is not known."""
    names = {"test": "predictions.tsv", "unlabelled": "predictions_unlabelled.tsv"}
    for role, name in names.items():
        rows = []
        for subject in roles[role]:
            rows += _classify(network, read(subject, labelled=role == "test"), subject, outputs, threads)
            _log(f"predicted {subject}")
        if role == "test" or rows:
            tables.write_table(part / name, rows, ("subject", "slice", "class", "probability", "truth"))


def _classify(network, case, subject, outputs, threads):
    """Rows of one subject: its slices by their number on the grid of its space, or the patient alone."""
    usable = case["usable"]
    chances = inference.predict_slices(network, case["images"][usable][:, case["channels"]], threads=threads)
    units = [number + case["index"]["box"][2][0] for number in usable.tolist()]
    truth = [outputs[number] for number in case["classes"][usable]] if "classes" in case else [""] * len(units)
    if case["pooled"]:
        units, chances, truth = [""], [inference.pool_slices(chances)], truth[:1]
    return [
        {"subject": subject, "slice": unit, "class": name, "probability": float(value), "truth": answer}
        for unit, row, answer in zip(units, chances, truth, strict=True)
        for name, value in zip(outputs, row, strict=True)
    ]


def _log(line):
    """Say how far the job is, in its log."""
    print(line, file=sys.stderr, flush=True)


# task: what writes its predictions
WRITERS = {
    "segmentation": _write_segmentation,
    "classification": _write_classification,
}
