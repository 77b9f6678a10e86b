"""One cell of the experiment, from files to files: train a network and predict its test patients.

A cell is task x source x strategy x space x split x n x fold x seed. `cell_folder` describes the files in its folder.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurograft.cohort.assignment import UntrainableError, assign_roles, check_pretraining, find_unlearnt, share_target
from neurograft.core import files
from neurograft.core.control_splits import is_control, subject_of
from neurograft.core.strategies import TRANSDUCTIVE
from neurograft.execution import code_digest, logs
from neurograft.experiment import cell_folder, training_records
from neurograft.experiment.network_predictions import write_predictions
from neurograft.networks import builders, compute, encoders_3d
from neurograft.sources.tops import read_top
from neurograft.sources.weights import SourceFiles, load_weights
from neurograft.training import batch_norm, checkpoints, loop, strategy_plans, tasks
from neurograft.training.slices import AXIAL

LIBRARIES = ("torch", "monai", "numpy")
BUILDERS = {"segmentation": builders.build_segmenter, "classification": builders.build_classifier}


@dataclass(frozen=True)
class CellOutput:
    """The output of a cell.

    Attributes
    ----------
    folder : str or Path
        Written atomically.
    predict_unlabelled, keep_weights : bool
        Also predict the subjects without labels; write `weights.pt`, of the first network if there are two.
    checkpoint : str or Path, optional
        Path of the training state, to which the number of the training is added. It is kept until the cell is written,
        so that a killed cell can be resumed.
    """

    folder: str | Path
    predict_unlabelled: bool = False
    keep_weights: bool = False
    checkpoint: str | Path | None = None


@dataclass(frozen=True)
class CellOptions:
    """Options of all trainings of an experiment: the config's block `train_network`, and its `variants`.

    Attributes
    ----------
    steps : int or "auto"
        For networks on slices; "auto" trains until the loss of some held-back training patients settles.
    batch : int
        For networks on slices.
    threads : int
    patches : dict
        `steps` and `batch` of networks on volumes.
    budgets : sequence of float
        Shares of the steps at which every network is also scored.
    auto : dict
        `least` and `most` steps of "auto", and `held_back`, the share of the training patients.
    planes : sequence of str
        Planes of the slices that one network segments, whose predictions are averaged.
    variants : dict of str to dict
        Named strategies of the config (`strategy_plans.plan`).
    """

    steps: int | str = 450
    batch: int = 16
    threads: int = 1
    patches: Mapping[str, int | str] = field(default_factory=lambda: {"steps": 200, "batch": 1})
    variants: Mapping[str, dict] = field(default_factory=dict)
    budgets: Sequence[float] = ()
    auto: Mapping[str, float] = field(default_factory=lambda: {"least": 100, "most": 1000, "held_back": 0.2})
    planes: Sequence[str] = (AXIAL,)

    def choose_planes(self, task, backbone):
        """Return the planes of slices for a task and a backbone: axial alone to classify, and for volumes."""
        flat = task == "segmentation" and backbone not in encoders_3d.BACKBONES_3D
        return tuple(self.planes) if flat else (AXIAL,)

    def choose(self, backbone):
        """Return the options of trainings for a backbone: those of `patches` if its input is volumes.

        Returns
        -------
        dict
            `steps` (the most, if the length is open), `batch`, `threads`, `budgets` and `least`.
        """
        chosen = {"steps": self.steps, "batch": self.batch, "threads": self.threads}
        chosen |= dict(self.patches) if backbone in encoders_3d.BACKBONES_3D else {}
        least = 0
        if chosen["steps"] == "auto":
            chosen["steps"], least = int(self.auto["most"]), int(self.auto["least"])
        return chosen | {"budgets": sorted(self.budgets), "least": least}


@dataclass(frozen=True)
class _Setting:
    """The inputs that all trainings of one cell share, with the chosen options."""

    cell: Mapping
    task: tasks.Task
    source: SourceFiles
    options: dict
    variants: Mapping[str, dict]
    held_back: Sequence[str] = ()
    pretraining: Mapping = field(default_factory=dict)

    @property
    def stream(self):
        """The random seed of the cell."""
        return int(np.random.SeedSequence([self.cell["seed"], self.cell["fold"]]).generate_state(1)[0])

    @property
    def training(self):
        """The options of its trainings."""
        return loop.TrainingOptions(**self.options, seed=self.stream, dropout=self.task.dropout)


def train_cell(output, split, cell, source, subjects, options):
    """Train one cell, predict its test patients, and write its folder atomically.

    Parameters
    ----------
    output : CellOutput
    split : dict
        `splits.json`.
    cell : dict
        `task`, `source`, `strategy`, `space`, `split`, `n`, `fold`, `seed`.
    source : weights.SourceFiles
    subjects : tasks.SubjectFiles
    options : CellOptions

    Returns
    -------
    cell_folder.Manifest
        As written; `trained` is false, with a `reason`, if the split allows no training or the source is unavailable.
    """
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    backbone, task_split = source.row["backbone"], split["tasks"][cell["task"]]
    chosen = options.choose(backbone)
    with files.whole(output.folder) as part:
        part.mkdir()
        manifest = {**cell, "trained": False, "splits": split["hash"], "backbone": backbone}
        try:
            pretraining = source.manifest
            roles, rounds = _assign(split, cell, output.predict_unlabelled, options.variants)
            check_pretraining(split, roles, pretraining)
            unlearnt = find_unlearnt(split, cell, roles)
            planes = options.choose_planes(cell["task"], backbone)
            task = tasks.open_task(split, cell, subjects, unlearnt, roles["train"], planes)
            if is_control(cell["split"]):
                _leave_empty(task, roles, rounds)
            held_back = hold_back(roles["train"], task_split["patients"], cell, options.auto) if chosen["least"] else []
            setting = _Setting(manifest, task, source, chosen, options.variants, held_back, pretraining)
            trainings = _train_rounds(setting, roles["train"], rounds, output.checkpoint)
            networks = {subject: each["network"] for each in trainings for subject in each["predicts"]}
            predicting = {1.0: write_predictions(part, cell["task"], task, networks, roles, chosen["threads"])}
            predicting |= _write_budgets(part, setting, trainings, roles)
            _write_processor(part, trainings, predicting)
            _write_training(part, trainings, output.keep_weights)
            measured = roles["train"] + roles["test"] if is_control(cell["split"]) else task_split["subjects"]
            fixed = training_records.Inputs(task.read, roles, measured, chosen)
            training_records.write_records(part, cell["task"], trainings, fixed)
            manifest |= _describe(trainings, roles) | {"outputs": task.outputs, **_describe_length(chosen, trainings)}
            manifest |= {"held_back": held_back} if held_back else {}
            manifest |= {"intensity_scale": task.scale} if task.scale else {}
            manifest |= {"planes": list(planes)} if len(planes) > 1 else {}
            manifest |= _name_incomplete(task_split, roles, unlearnt)
            manifest["pretrained_on"] = pretraining.get("subjects", []) if trainings[0]["plan"].loads else []
        except UntrainableError as reason:
            manifest["reason"] = str(reason)
        cell_folder.write_manifest(part, manifest)
    checkpoint = Path(output.checkpoint) if output.checkpoint else None
    for path in checkpoint.parent.glob(f"{checkpoint.name}-*") if checkpoint else ():
        path.unlink()
    return manifest


def _assign(split, cell, predict_unlabelled, variants):
    """Return the cell's roles, and its rounds: who is predicted, by a network adapted to whom; one if none adapts."""
    roles = assign_roles(split, cell)
    rounds = [{"predicts": list(roles["test"]), "adapted_on": []}]
    if strategy_plans.resolve(cell["strategy"], variants)[0] in TRANSDUCTIVE:
        rounds = share_target(split, cell, roles)
    if not predict_unlabelled:
        roles["unlabelled"] = []
    rounds[0]["predicts"] += roles["unlabelled"]
    return roles, rounds


def _leave_empty(task, roles, rounds):
    """Leave out, in place, parts without a slice, of subjects that have fewer usable slices than there are folds."""
    for listed in (*roles.values(), *(each["predicts"] for each in rounds)):
        listed[:] = [name for name in listed if len(task.read(name, labelled=False)["usable"])]


def _train_rounds(setting, train, rounds, checkpoint):
    """Train the networks of all rounds; return each round with its network and the facts of its training.

    A plan that adapts a trained network is trained once; one that trains on the target is trained for each round.
    """
    task = setting.task
    cases = task.read_all([subject for subject in train if subject not in setting.held_back])
    trained, trainings = None, []
    for number, each in enumerate(rounds):
        path = f"{checkpoint}-{number}" if checkpoint else None
        targets = [task.read_target(subject) for subject in each["adapted_on"]]
        if trained is None or not trained["plan"].adapt:
            trained = _train(setting, cases, targets, path)
        networks = {None: trained["network"], **trained["cooled"]}
        if trained["plan"].adapt:
            networks = copy.deepcopy(networks)
            for network in networks.values():
                trained["plan"].adapt(network, targets, setting.training)
        trainings.append(each | trained | {"network": networks.pop(None), "cooled": networks})
    return trainings


def hold_back(train, patients, cell, auto):
    """Choose the training subjects that only decide when a training of open length ends.

    Parameters
    ----------
    train : sequence of str
        Training subjects.
    patients : dict of str to str
        Subject to patient; a patient is held back whole.
    cell : dict
        `seed` and `fold`, so that every strategy holds back the same patients.
    auto : dict
        `held_back`: share of the training patients, rounded, one at least.

    Returns
    -------
    list of str

    Raises
    ------
    UntrainableError
        With fewer than 3 training patients.
    """
    names = sorted({patients[subject_of(name)] for name in train})
    if len(names) < 3:
        raise UntrainableError(
            f"{len(names)} training patients; train_network.steps: auto holds some of them back and takes 3: name steps"
        )
    generator = np.random.default_rng([cell["seed"], cell["fold"]])
    chosen = set(generator.permutation(names)[: max(1, round(auto["held_back"] * len(names)))].tolist())
    return [name for name in train if patients[subject_of(name)] in chosen]


def _train(setting, cases, targets, path) -> dict[str, Any]:
    """Build, load and train one network by its plan; return it with the facts for the manifest."""
    task, options, cell = setting.task, setting.training, setting.cell
    with compute.reproducible(options.seed, options.threads):
        network = BUILDERS[cell["task"]](cell["backbone"], len(cases[0]["channels"]), len(task.outputs))
        plan = strategy_plans.plan(cell["strategy"], network, setting.variants)
        loaded, inherited = _load(network, setting) if plan.loads else ({"loaded_share": None, "why": {}}, set())
        if plan.estimate_norms:
            batch_norm.estimate_statistics(network, cases, options)
        before = copy.deepcopy(network)
        if plan.prepare:
            plan.prepare(network)
        network.to(compute.device())
        extra = plan.extra(network, inherited) if plan.extra else None
        fingerprint = _take_fingerprint(setting, network, [*cases, *targets]) if path else ""
        hooks = loop.Hooks(
            log=logs.log_line,
            extra=extra,
            targets=targets if extra else (),
            held_back=[task.read(subject) for subject in setting.held_back],
            checkpoint=checkpoints.Checkpoint(path, fingerprint) if path else None,
        )
        options = replace(options, weight_decay=plan.weight_decay)
        course = loop.train(network, cases, plan.phases, cell["task"], task.shares, options, hooks)
        sizes = {name: parameter.numel() for name, parameter in network.named_parameters()}
        cooled = {share: _restore(network, kept["state"]) for share, kept in course.cooled.items()}
        for each in (network, *cooled.values()):
            if plan.finish:
                plan.finish(each)
    budgets = {share: {k: v for k, v in each.items() if k != "state"} for share, each in course.cooled.items()}
    facts = {"network": network, "plan": plan, "loaded": loaded, "sizes": sizes, "cooled": cooled, "budgets": budgets}
    times = {"seconds": course.seconds, "processor": course.processor[-1]}
    return facts | times | {"before": before, "history": course.history}


def _restore(network, state):
    """Copy a network, with the weights of another time."""
    other = copy.deepcopy(network)
    other.load_state_dict(state)
    return other


def _load(network, setting):
    """Load a source's weights; return what was loaded, and the names of the loaded parameters.

    They go into the encoder; of a source that learnt to segment, also into a segmenter's decoder and head.
    """
    source = setting.source
    state = load_weights(source.weights, source.row["sha256"])
    loaded = builders.load_source(network, encoders_3d.rename_weights(source.row["backbone"], state))
    inherited = set(strategy_plans.split_parameters(network)[0]) - {f"encoder.{name}" for name in loaded["missing"]}
    segments = setting.cell["task"] == "segmentation"
    given, outputs = read_top(source, setting.pretraining, state) if segments else ({}, ())
    if given:
        top = builders.load_top(network, given, list(outputs), setting.task.outputs)
        loaded["top_loaded_share"] = top["loaded_share"]
        inherited |= top["whole"] & set(strategy_plans.split_parameters(network)[1])
    return loaded, inherited


def _take_fingerprint(setting, network, cases):
    """Compute a digest of all inputs of a training; a checkpoint with another fingerprint is not used."""
    task = setting.task
    facts = {"cell": setting.cell, "options": setting.options, "variants": setting.variants}
    facts |= {"source": setting.source.row, "outputs": task.outputs, "dropout": task.dropout, "scale": task.scale}
    facts["planes"] = task.planes
    facts["code"] = code_digest.code_digest(__file__)
    return checkpoints.take_fingerprint(network, cases, facts)


def _write_budgets(part, setting, trainings, roles):
    """Predict the test subjects at each budget, and write the steps and the seconds of the budgets.

    A training that ended before a budget counts there with its end. Returns the processor seconds of each budget's
    prediction.
    """
    rows, predicting = [], {}
    # a training shared by several rounds is one object and counts once
    runs = list({id(each["budgets"]): each for each in trainings}.values())
    for share in sorted({share for each in trainings for share in each["cooled"]}):
        networks = {s: each["cooled"].get(share, each["network"]) for each in trainings for s in each["predicts"]}
        folder = cell_folder.budget_folder(part, share)
        folder.mkdir()
        tested = {**roles, "unlabelled": []}
        told = setting.cell["task"], setting.task, networks, tested, setting.options["threads"]
        predicting[share] = write_predictions(folder, *told)
        ended = [{"steps": len(each["history"]), "seconds": each["seconds"][-1]} for each in runs]
        at = [each["budgets"].get(share, end) for each, end in zip(runs, ended, strict=True)]
        steps, seconds = max(row["steps"] for row in at), sum(row["seconds"] for row in at)
        rows.append({"share": share, "steps": steps, "seconds": seconds})
    cell_folder.write_budgets(part, rows)
    return predicting


def _write_processor(part, trainings, predicting):
    """Write the processor seconds of all trainings until each budget and the end, and of the predictions there."""
    # a training shared by several rounds is one object and counts once
    runs = {id(each["budgets"]): each for each in trainings}.values()
    rows = []
    for share, prediction in sorted(predicting.items()):
        training = sum(each["budgets"].get(share, each)["processor"] for each in runs)
        rows.append({"share": share, "training": training, "prediction": prediction})
    cell_folder.write_processor(part, rows)


def _describe_length(chosen, trainings):
    """Describe the options of a training for the manifest, with the steps that it took."""
    described = {name: chosen[name] for name in ("steps", "batch", "threads")}
    if chosen["budgets"]:
        described["budgets"] = list(chosen["budgets"])
    if chosen["least"]:
        described |= {"steps": len(trainings[0]["history"]), "least": chosen["least"], "most": chosen["steps"]}
    return described


def _write_training(part, trainings, keep_weights):
    """Write the history and, if requested, the weights of the first training, and the summed times of all."""
    trained = trainings[0]
    # a training shared by several rounds is one object and counts once
    runs = {id(each["seconds"]): each["seconds"] for each in trainings}.values()
    # those of open length may end sooner or later than the first
    times = [sum(run[min(step, len(run) - 1)] for run in runs) for step in range(len(trained["history"]))]
    cell_folder.write_course(part, trained["history"], times)
    if keep_weights:
        state = trained["network"].state_dict()
        torch.save({name: value.cpu() for name, value in state.items()}, part / cell_folder.WEIGHTS)


def _name_incomplete(task, roles, unlearnt):
    """List the missing sequences of a cell's subjects, if the task has incomplete ones (training dropped channels)."""
    members = {subject_of(name) for role in roles.values() for name in role}
    lacking = {subject: lacks for subject, lacks in task.get("incomplete", {}).items() if subject in members}
    return {"incomplete": lacking, "unlearnt": unlearnt} if "incomplete" in task else {}


def _describe(trainings, roles):
    """Describe the trainings for the manifest."""
    first = trainings[0]
    plan, sizes, loaded = first["plan"], first["sizes"], first["loaded"]
    trained = {name for phase in plan.phases for name in phase.rates}
    hashes = [checkpoints.hash_weights(each["network"]) for each in trainings]
    who = [{name: each[name] for name in ("predicts", "adapted_on")} for each in trainings]
    return {
        "trained": True,
        "reason": "",
        "subjects": len(roles["train"]),
        **roles,
        "loaded_share": loaded["loaded_share"],
        "not_loaded": loaded["why"],
        **({"top_loaded_share": loaded["top_loaded_share"]} if "top_loaded_share" in loaded else {}),
        "converged": all(loop.is_converged([row["loss"] for row in each["history"]]) for each in trainings),
        "weights_sha256": hashes[0],
        "adaptation": [w | {"weights_sha256": h} for w, h in zip(who, hashes, strict=True) if w["adapted_on"]],
        "parameters_trained": sum(size for name, size in sizes.items() if name in trained),
        "parameters_frozen": sum(size for name, size in sizes.items() if name not in trained),
        "phases": [{"share": p.share, "rates": sorted(set(p.rates.values()))} for p in plan.phases],
        "device": compute.device().type,
        "versions": {name: version(name) for name in LIBRARIES},
    }
