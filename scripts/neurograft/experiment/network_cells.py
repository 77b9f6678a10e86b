"""One cell of the experiment, from files to files: train a network, predict its test patients.

A cell is task x source x strategy x space x split x n x fold x seed. Its folder is what evaluation, delivery and
report read:

manifest.json     what was trained, on whom, from what; `trained` false and `reason` where it could not be
history.tsv       step, phase, loss, train_dice or train_accuracy, rate; of the first network where there are two
seconds.tsv       step, seconds, of all trainings of the cell together: the only file with times
layers.tsv, features.tsv, fit.tsv   what training changed, and the fit to training and test patients (`records`)
sub-X.npz         segmentation: an array for each region, uint8 (0 to 255 for 0 to 1), on the brain's `box` of
                  the grid of its space, and `box`
predictions.tsv   classification: subject, slice (on the grid of its space; empty where the patient is the unit),
                  class, probability, truth; predictions_unlabelled.tsv the same without truth
weights.pt        where asked for
"""

import copy
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from neurograft.cohort.assignment import UntrainableError, assign_roles, check_pretraining, find_unlearnt, share_target
from neurograft.core import files, tables
from neurograft.core.strategies import TRANSDUCTIVE
from neurograft.execution import code_digest, logs
from neurograft.experiment import training_records
from neurograft.networks import builders, compute, encoders_3d
from neurograft.sources import table
from neurograft.sources.weights import load_weights
from neurograft.training import batch_norm, checkpoints, inference, loop, strategies, tasks
from neurograft.training.slices import read_channels

OPTIONS = {"steps": 450, "batch": 16, "threads": 1, "patches": {"steps": 200, "batch": 1}}
LIBRARIES = ("torch", "monai", "numpy")
BUILDERS = {"segmentation": builders.build_segmenter, "classification": builders.build_classifier}


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
    variants=None,
    checkpoint=None,
    candidates=None,
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
        Of a source that the workflow makes, `manifest.json` lies beside them.
    slices : dict of str to path
        Subject to its folder of `images.zlib`, `labels.zlib` and `index.json`, in the cell's space.
    truths : dict of str to str, optional
        Subject to class, where a column of the cohort is the target.
    predict_unlabelled, keep_weights : bool
        Predict the subjects without labels too; write `weights.pt`, of the first network where there are two.
    variants : dict of str to dict, optional
        Named strategies of the config (`strategies.plan`).
    checkpoint : str or Path, optional
        Where the state of a training is kept until the cell is written, with the number of the training at the end
        of its name; a cell that was killed goes on from there.
    candidates : dict of str to list of int, optional
        Subject to the slices of its tumour candidates (`slices.find_candidates`), which half of the training slices
        without tumour are then drawn from, where they are free of it.
    **options
        `steps`, `batch` and `threads` of `loop.train`; `patches`, the first two for a 3-D backbone.

    Returns
    -------
    dict
        The manifest, as written: `trained` false, and `reason`, where the split allows no training or the source
        could not be made.
    """
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    options = choose_options(source["backbone"], **options)
    with files.whole(out_folder) as part:
        part.mkdir()
        manifest = {**cell, "trained": False, "splits": split["hash"], "backbone": source["backbone"]}
        try:
            pretraining = table.read_manifest(weights) if table.is_made(source) else {}
            roles, rounds = _assign(split, cell, predict_unlabelled, variants)
            check_pretraining(split, roles, pretraining)
            unlearnt = find_unlearnt(split, cell, roles)
            task = tasks.open_task(split, cell, slices, truths, unlearnt, candidates, roles["train"])
            made = _train_rounds(manifest, task, roles, rounds, (source, weights), options, variants, checkpoint)
            predicting = {subject: each["network"] for each in made for subject in each["predicts"]}
            write_predictions(part, cell["task"], task, predicting, roles, options["threads"])
            _write_training(part, made, keep_weights)
            subjects = split["tasks"][cell["task"]]["subjects"]
            draw = loop.inputs(made[0]["network"]).draw_fixed
            training_records.write_records(part, cell["task"], task.read, made, roles, subjects, options, draw)
            manifest |= _describe(made, roles) | {"outputs": task.outputs, **options}
            manifest |= {"intensity_scale": task.scale} if task.scale else {}
            manifest |= _name_incomplete(split["tasks"][cell["task"]], roles, unlearnt)
            manifest["pretrained_on"] = pretraining.get("subjects", []) if made[0]["plan"].loads else []
        except UntrainableError as reason:
            manifest["reason"] = str(reason)
        files.write_json(part / "manifest.json", manifest)
    for path in Path(checkpoint).parent.glob(f"{Path(checkpoint).name}-*") if checkpoint else ():
        path.unlink()
    return manifest


def choose_options(backbone, **options):
    """Give `steps`, `batch` and `threads` for a backbone: those of slices, or those of `patches` where it is 3-D."""
    chosen = OPTIONS | options
    of_patches = chosen.pop("patches")
    return chosen | (of_patches if backbone in encoders_3d.BACKBONES_3D else {})


def _assign(split, cell, predict_unlabelled, variants):
    """Give the cell's roles, and who is predicted by a network adapted to whom; one round where nothing adapts."""
    roles = assign_roles(split, cell)
    rounds = [{"predicts": list(roles["test"]), "adapted_on": []}]
    if strategies.resolve(cell["strategy"], variants)[0] in TRANSDUCTIVE:
        rounds = share_target(split, cell, roles)
    if not predict_unlabelled:
        roles["unlabelled"] = []
    rounds[0]["predicts"] += roles["unlabelled"]
    return roles, rounds


def _train_rounds(cell, task, roles, rounds, source, options, variants, checkpoint):
    """Train what each round needs; give each its network and what is known of its training.

    A plan that adapts the trained network is trained once; one that trains on the target, once a round.
    """
    cases, trained, made = [task.read(subject) for subject in roles["train"]], None, []
    for number, each in enumerate(rounds):
        own = f"{checkpoint}-{number}" if checkpoint else None
        targets = [task.read_target(subject) for subject in each["adapted_on"]]
        if trained is None or not trained["plan"].adapt:
            trained = _train(cell, task, cases, targets, source, options, variants, own)
        network = trained["network"]
        if trained["plan"].adapt:
            network = copy.deepcopy(network)
            trained["plan"].adapt(network, targets, **trained["drawing"])
        made.append(each | trained | {"network": network})
    return made


def _train(cell, task, cases, targets, source, options, variants, path):
    """Build, load and train one network by its plan; give it with the facts that a manifest needs."""
    stream = int(np.random.SeedSequence([cell["seed"], cell["fold"]]).generate_state(1)[0])
    drawing = {"batch": options["batch"], "seed": stream, "threads": options["threads"]}
    with compute.reproducible(stream, options["threads"]):
        network = BUILDERS[cell["task"]](cell["backbone"], len(cases[0]["channels"]), len(task.outputs))
        plan = strategies.plan(cell["strategy"], network, variants)
        loaded, inherited = {"loaded_share": None, "why": {}}, set()
        if plan.loads:
            row, weights = source
            state = load_weights(weights, row["sha256"])
            loaded = builders.load_source(network, encoders_3d.rename_weights(cell["backbone"], state))
            inherited = set(strategies.split_parameters(network)[0]) - {f"encoder.{name}" for name in loaded["missing"]}
        if plan.estimate_norms:
            batch_norm.estimate_statistics(network, cases, dropout=task.dropout, **drawing)
        before = copy.deepcopy(network)
        if plan.prepare:
            plan.prepare(network)
        network.to(compute.device())
        extra = plan.extra(network, inherited) if plan.extra else None
        facts = {"cell": cell, "options": options, "variants": variants, "source": source[0], "outputs": task.outputs}
        facts |= {"dropout": task.dropout, "scale": task.scale}
        facts["code"] = code_digest.code_digest(__file__) if path else ""
        started = checkpoints.take_fingerprint(network, [*cases, *targets], facts) if path else ""
        history, seconds = loop.train(
            network,
            cases,
            plan.phases,
            cell["task"],
            task.shares,
            steps=options["steps"],
            log=logs.log_line,
            weight_decay=plan.weight_decay,
            extra=extra,
            targets=targets if extra else (),
            dropout=task.dropout,
            checkpoint=checkpoints.Checkpoint(path, started) if path else None,
            **drawing,
        )
        sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
        if plan.finish:
            plan.finish(network)
    facts = {"network": network, "plan": plan, "loaded": loaded, "sizes": sizes, "drawing": drawing}
    return facts | {"before": before, "history": history, "seconds": seconds}


def _write_training(part, made, keep_weights):
    """Write the history and, where asked for, the weights of the first training, and the times of all together."""
    trained = made[0]
    tables.write_table(part / "history.tsv", trained["history"])
    # a training that several rounds share is one object, and counts once
    runs = {id(each["seconds"]): each["seconds"] for each in made}.values()
    times = [sum(each) for each in zip(*runs, strict=True)]
    rows = [{"step": row["step"], "seconds": value} for row, value in zip(trained["history"], times, strict=True)]
    tables.write_table(part / "seconds.tsv", rows)
    if keep_weights:
        state = trained["network"].state_dict()
        torch.save({name: value.cpu() for name, value in state.items()}, part / "weights.pt")


def _name_incomplete(task, roles, unlearnt):
    """Say who of a cell lacks which sequences, where anybody of the task does: then its training dropped channels."""
    members = {subject for role in roles.values() for subject in role}
    lacking = {subject: lacks for subject, lacks in task.get("incomplete", {}).items() if subject in members}
    return {"incomplete": lacking, "unlearnt": unlearnt} if "incomplete" in task else {}


def _describe(made, roles):
    """What a manifest says of a training that took place."""
    first = made[0]
    plan, sizes, loaded = first["plan"], first["sizes"], first["loaded"]
    trained = {name for phase in plan.phases for name in phase.rates}
    hashes = [checkpoints.hash_weights(each["network"]) for each in made]
    who = [{name: each[name] for name in ("predicts", "adapted_on")} for each in made]
    return {
        "trained": True,
        "reason": "",
        "subjects": len(roles["train"]),
        **roles,
        "loaded_share": loaded["loaded_share"],
        "not_loaded": loaded["why"],
        "converged": all(loop.is_converged([row["loss"] for row in each["history"]]) for each in made),
        "weights_sha256": hashes[0],
        "adaptation": [w | {"weights_sha256": h} for w, h in zip(who, hashes, strict=True) if w["adapted_on"]],
        "parameters_trained": sum(size for name, size in sizes.items() if name in trained),
        "parameters_frozen": sum(size for name, size in sizes.items() if name not in trained),
        "phases": [{"share": p.share, "rates": sorted(set(p.rates.values()))} for p in plan.phases],
        "device": compute.device().type,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def write_predictions(part, name, task, networks, roles, threads):
    """Predict the test and unlabelled subjects and write the files that `cells` names.

    Parameters
    ----------
    part : Path
        An existing folder.
    name : str
        A key of `WRITERS`.
    task : Task
    networks : dict of str to nn.Module
        Subject to the network that predicts it.
    roles : dict of str to list of str
        `test` and `unlabelled`.
    threads : int
    """
    WRITERS[name](part, networks, task.read, roles, task.outputs, threads)


def _write_segmentation(part, networks, read, roles, outputs, threads):
    """Predict and write one `sub-X.npz` a subject."""
    for subject in roles["test"] + roles["unlabelled"]:
        case = read(subject, labelled=False)
        chances = inference.predict_volume(networks[subject], read_channels(case), threads=threads)
        packed = {name: np.rint(255 * chance).astype(np.uint8) for name, chance in zip(outputs, chances, strict=True)}
        np.savez_compressed(part / f"sub-{subject}.npz", **packed, box=np.asarray(case["index"]["box"]))
        logs.log_line(f"predicted {subject}")


def _write_classification(part, networks, read, roles, outputs, threads):
    """Predict and write a table: a row a unit and class; the truth is empty where it is not known."""
    names = {"test": "predictions.tsv", "unlabelled": "predictions_unlabelled.tsv"}
    for role, name in names.items():
        rows = []
        for subject in roles[role]:
            rows += _classify(networks[subject], read(subject, labelled=role == "test"), subject, outputs, threads)
            logs.log_line(f"predicted {subject}")
        if role == "test" or rows:
            tables.write_table(part / name, rows, ("subject", "slice", "class", "probability", "truth"))


def _classify(network, case, subject, outputs, threads):
    """Rows of one subject: its slices by their number on the grid of its space, or the patient alone."""
    usable = case["usable"]
    chances = inference.predict_slices(network, read_channels(case, usable), threads=threads)
    units = [number + case["index"]["box"][2][0] for number in usable.tolist()]
    truth = [outputs[number] for number in case["classes"][usable]] if "classes" in case else [""] * len(units)
    if case["pooled"]:
        units, chances, truth = [""], [inference.pool_slices(chances)], truth[:1]
    return [
        {"subject": subject, "slice": unit, "class": name, "probability": float(value), "truth": answer}
        for unit, row, answer in zip(units, chances, truth, strict=True)
        for name, value in zip(outputs, row, strict=True)
    ]


# task: what writes its predictions
WRITERS = {
    "segmentation": _write_segmentation,
    "classification": _write_classification,
}
