"""What a split is worth: the same pictures and networks by slice and by patient, with true and with random labels."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from neurograft.core import listings
from neurograft.core.cells import CellManifest
from neurograft.core.control_splits import DEALT, RANDOM, shares_patients
from neurograft.core.files import read_json
from neurograft.core.labels import judged_region
from neurograft.core.split_file import ClassificationSplit, owner_of
from neurograft.core.strategies import METHODS, strategy_order
from neurograft.evaluation.metrics import CLASSIFICATION, SEGMENTATION
from neurograft.evaluation.records import Prediction, ScoreRow, read_manifest, read_predictions
from neurograft.evaluation.scores import gather_units
from neurograft.execution import logs
from neurograft.stats.paired_verdict import Scale, paired_comparison

PATIENTS = "folds"
METRICS = ("accuracy", "balanced-accuracy", "auc")
LEAST_PATIENTS = 3
# of a patient's inflation, as in `metrics.Metric`: with slices as units a share, not 0 or 1
LEAST_SPREAD = 0.2


class Study(TypedDict):
    """A published study: its words and its numbers, by metric."""

    words: str
    network: str
    cite: str
    numbers: Mapping[str, float]


# the studies that `replay.study` may name; what they state of their split is in `words`
STUDIES: dict[str, Study] = {
    "lu-2019": {
        "words": "Lu et al. 2019: AlexNet from ImageNet, axial slices, normal against pathological; no split by "
        "patient is stated",
        "network": "alexnet",
        "cite": "lu",
        "numbers": {"accuracy": 1.0},
    },
    "ahuja-2020": {
        "words": "Ahuja et al. 2020: VGG-19 from ImageNet, BraTS slices, normal, low or high grade, then tumours from "
        "superpixels; no split by patient is stated",
        "network": "vgg19",
        "cite": "ahuja",
        "numbers": {"accuracy": 0.993, "auc": 0.99, "dice": 0.932},
    },
}


class ReplayRow(TypedDict):
    """A row of `replay.tsv`: one network in a control split and by patient, over the same slices, in one metric.

    `inflation` is the score in the control split less that by patient, `leak` the same with labels permuted among
    patients, both with 95 % intervals over patients; `guess` is the score of naming the most frequent class,
    `random_guess` that of the permuted labels. `shared` of the `patients` were tested in the control split by a network
    that had trained on other slices of theirs.
    """

    source: str
    strategy: str
    space: str
    split: str
    metric: str
    score: float
    by_patient: float
    inflation: float
    low: float
    high: float
    random: float
    random_by_patient: float
    leak: float
    leak_low: float
    leak_high: float
    guess: float
    random_guess: float
    patients: int
    shared: int
    slices: int
    folds: int
    seeds: int


class DiceRow(TypedDict):
    """A row of `replay_dice.tsv`: the mean Dice of the tumour over patients, with a 95 % interval."""

    method: str
    dice: float
    low: float
    high: float
    patients: int


# seed, subject and slice of a prediction
Unit = tuple[str, str, str]


@dataclass(frozen=True)
class _Scored:
    """The predictions of one arm in one split: unit to its true class and the probability of each class."""

    truth: dict[Unit, int]
    chances: dict[Unit, NDArray[np.float64]]
    folds: dict[str, int]  # subject to the first fold that tested it
    shared: set[str]  # patients in training and test of the same network


def compare_splits(
    cells: Iterable[tuple[CellManifest, Sequence[Prediction]]], task: ClassificationSplit
) -> list[ReplayRow]:
    """Compare every network's scores in each control split with those by patient, over the same slices.

    The numbers are over all slices, as papers report them. The intervals are over patients: the jackknife leaves out
    one patient with all slices at a time, and its pseudo-values go into the model of all paired comparisons, in which
    patients who were tested by the same network share its luck (`stats.paired_model`).

    Parameters
    ----------
    cells : iterable of (dict, list of dict)
        The manifests and predictions of the trained cells of `replay.choose_replayed`.
    task : dict
        The classification's split.

    Returns
    -------
    list of ReplayRow
        None for a control split without a cell, or whose arm was not trained by patient.
    """
    arms: dict[tuple[str, str, str], dict[str, list[tuple[CellManifest, Sequence[Prediction]]]]] = {}
    for cell, predictions in cells:
        arm = (cell["source"], cell["strategy"], cell["space"])
        arms.setdefault(arm, {}).setdefault(cell["split"], []).append((cell, predictions))
    rows: list[ReplayRow] = []
    for arm in sorted(arms, key=lambda arm: (arm[0], strategy_order(arm[1]), arm[2])):
        scored = {split: _collect(listed, task) for split, listed in arms[arm].items()}
        for split in DEALT:
            if split in scored and PATIENTS in scored:
                rows += _compare(arm, split, scored, task)
    return rows


def _collect(cells: Sequence[tuple[CellManifest, Sequence[Prediction]]], task: ClassificationSplit) -> _Scored:
    """Collect the predictions of an arm's cells; of repeated partitions the first, since a control split has one."""
    scored = _Scored({}, {}, {}, set())
    for cell, predictions in sorted(cells, key=lambda pair: int(pair[0]["fold"])):
        trained, tested = ({owner_of(task, name) for name in cell[role]} for role in ("train", "test"))
        scored.shared.update(trained & tested)
        if not predictions:  # test patients without a usable slice
            continue
        units = gather_units(predictions, task["classes"])
        for row, (subject, number) in enumerate(zip(units.subjects, units.slices, strict=True)):
            unit = (str(cell["seed"]), subject, number)
            if unit not in scored.truth:
                scored.truth[unit], scored.chances[unit] = int(units.truth[row]), units.chances[row]
                scored.folds.setdefault(subject, int(cell["fold"]))
    return scored


def _compare(
    arm: tuple[str, str, str], split: str, scored: Mapping[str, _Scored], task: ClassificationSplit
) -> list[ReplayRow]:
    """Make the rows of one arm and control split."""
    leaky, honest = scored[split], scored[PATIENTS]
    units = sorted(leaky.truth.keys() & honest.truth.keys())
    random = [scored.get(name) for name in (split + RANDOM, PATIENTS + RANDOM)]
    permuted = sorted(random[0].truth.keys() & random[1].truth.keys()) if random[0] and random[1] else []
    if not units:
        return []
    patients = {owner_of(task, subject) for _, subject, _ in units}
    rows: list[ReplayRow] = []
    for metric in METRICS:
        inflation = _pair(metric, (leaky, honest), units, task)
        leak = dict.fromkeys(inflation, np.nan)
        if random[0] and random[1] and permuted:
            leak = _pair(metric, (random[0], random[1]), permuted, task)
        rows.append(
            {
                "source": arm[0],
                "strategy": arm[1],
                "space": arm[2],
                "split": split,
                "metric": metric,
                "score": inflation["first"],
                "by_patient": inflation["second"],
                "inflation": inflation["difference"],
                "low": inflation["low"],
                "high": inflation["high"],
                "random": leak["first"],
                "random_by_patient": leak["second"],
                "leak": leak["difference"],
                "leak_low": leak["low"],
                "leak_high": leak["high"],
                "guess": inflation["guess"],
                "random_guess": leak["guess"],
                "patients": len(patients),
                "shared": len(patients & leaky.shared),
                "slices": len({unit[1:] for unit in units}),
                "folds": len(set(honest.folds.values())),
                "seeds": len({unit[0] for unit in units}),
            }
        )
    return rows


def _guess(metric: str, truth: NDArray[np.intp], classes: int) -> float:
    """Compute the score of always naming the most frequent class."""
    chances = np.tile(np.eye(classes)[np.bincount(truth, minlength=classes).argmax()], (len(truth), 1))
    return float(CLASSIFICATION[metric]["function"](truth, chances))


def _pair(
    metric: str, splits: tuple[_Scored, _Scored], units: Sequence[Unit], task: ClassificationSplit
) -> dict[str, float]:
    """Score the same units in two splits, and compute the difference with its interval over patients."""
    score = CLASSIFICATION[metric]["function"]
    sides = [
        (np.array([each.truth[unit] for unit in units]), np.stack([each.chances[unit] for unit in units]))
        for each in splits
    ]
    patients, owners = np.unique([owner_of(task, subject) for _, subject, _ in units], return_inverse=True)

    def differ(kept: NDArray[np.bool_]) -> float:
        first, second = (score(truth[kept], chances[kept]) for truth, chances in sides)
        return first - second

    first, second = (score(truth, chances) for truth, chances in sides)
    whole, count, ends = first - second, len(patients), (np.nan, np.nan)
    alone = range(count) if count >= LEAST_PATIENTS else ()
    values = np.array([count * whole - (count - 1) * differ(owners != number) for number in alone])
    # NaN if a class is in nobody, or in one patient alone
    if len(values) and np.isfinite(values).all():
        tested = {owner_of(task, subject): splits[1].folds[subject] for _, subject, _ in units}
        folds = [tested[str(patient)] for patient in patients]
        compared = paired_comparison(values, folds, Scale(least_spread=LEAST_SPREAD))
        # the mean of the pseudo-values differs a little from the difference where a metric is not linear
        ends = np.clip([whole + compared[end] - compared["mean"] for end in ("low", "high")], -1, 1)
    guess = _guess(metric, sides[1][0], len(task["classes"]))
    return {
        "first": first, "second": second, "difference": whole, "guess": guess,
        "low": float(ends[0]), "high": float(ends[1]),
    }  # fmt: skip


def average_dice(
    scores: Iterable[ScoreRow], oracles: Mapping[str, float], patients: Mapping[str, str]
) -> list[DiceRow]:
    """Average the Dice of each method over patients, beside the best that their superpixels allow.

    Parameters
    ----------
    scores : iterable of dict
        Rows of `scores.tsv`; those of methods on supervoxels by patient, with all training patients, count.
    oracles : dict of str to float
        Subject to the Dice if every superpixel that is mostly tumour were chosen (`read_oracles`); without one, that
        row is left out.
    patients : dict of str to str
        Subject to patient.

    Returns
    -------
    list of DiceRow
        The oracle, then the methods, over the same patients.
    """
    wanted = [
        row
        for row in scores
        if row["strategy"] in METHODS and row["split"] == PATIENTS and str(row["n"]) == "all" and row["subject"]
    ]
    if not wanted:
        return []
    region = judged_region(row["region"] for row in wanted)
    methods: dict[str, dict[str, list[float]]] = {"oracle": {}} if oracles else {}
    for row in wanted:
        if row["metric"] == "dice" and row["region"] == region:
            patient = patients.get(row["subject"], row["subject"])
            name = f"{row['strategy']} ({row['source']})"
            methods.setdefault(name, {}).setdefault(patient, []).append(row["value"])
    scored = {patient for name, values in methods.items() if name != "oracle" for patient in values}
    for subject, value in oracles.items():
        patient = patients.get(subject, subject)
        if patient in scored:
            methods["oracle"].setdefault(patient, []).append(value)
    return [_average(name, [float(np.mean(each)) for each in values.values()]) for name, values in methods.items()]


def _average(method: str, values: Sequence[float]) -> DiceRow:
    """Average one value a patient, with the interval that the report gives every mean over patients."""
    row = SEGMENTATION["dice"]
    found = paired_comparison(values, scale=Scale(bounds=row["range"], least_spread=row["least_spread"]))
    return {
        "method": method, "dice": found["mean"], "low": found["low"], "high": found["high"], "patients": len(values),
    }  # fmt: skip


def read_oracles(path: str | Path) -> dict[str, float]:
    """Read the oracle Dice of the labelled subjects.

    Parameters
    ----------
    path : str or Path
        The table of `supervoxel_files.gather_candidates`; if empty, the result is empty.

    Returns
    -------
    dict of str to float
    """
    records = (
        {subject: read_json(row["record"]) for subject, row in listings.read_subjects(path).items()} if path else {}
    )
    return {
        subject: float(record["oracle_dice"])
        for subject, record in records.items()
        if record.get("oracle_dice") is not None
    }


def read_cells(folders: Iterable[str | Path]) -> list[tuple[CellManifest, list[Prediction]]]:
    """Read the manifests and predictions of the cells that could be trained; say in the log why the others were not."""
    cells = [(folder, read_manifest(folder)) for folder in folders]
    for folder, cell in cells:
        if not cell["trained"]:
            logs.log_line(f"{folder} was not trained: {cell['reason']}")
    return [(cell, read_predictions(folder)) for folder, cell in cells if cell["trained"]]


def describe_replay(
    rows: Sequence[ReplayRow], dice: Sequence[DiceRow], comparison: Iterable[Mapping[str, Any]], study: str
) -> str:
    """Write the comparison in plain words, for the terminal.

    Parameters
    ----------
    rows : list of ReplayRow
    dice : list of DiceRow
    comparison : iterable of dict
        Rows of `comparison.tsv`, for the verdicts.
    study : str
        A key of `STUDIES`, or "".

    Returns
    -------
    str
    """
    if not rows:
        return (
            "Nothing to compare: no network was trained both by patient and in a control split; "
            "results/logs/compare_splits.log says why\n"
        )
    published: Mapping[str, float] = STUDIES[study]["numbers"] if study else {}
    lines = [_say_counts(row) for row in _take_firsts(rows)]
    lines += [STUDIES[study]["words"]] if study else []
    verdicts = map_verdicts(comparison)
    for metric in METRICS:
        of_metric = [row for row in rows if row["metric"] == metric]
        guesses = ", ".join(f"{row['guess']:.3f} ({row['split']})" for row in _take_firsts(of_metric))
        lines += ["", f"{metric}{_say_published(published, metric)}; guessing {guesses}"]
        lines.append(
            f"  {'network':<36}{'split':>8}{'score':>8}{'by patient':>12}{'inflation':>11}  {'95 % interval':<20}"
            f"{'random labels':>14}  verdict"
        )
        for row in of_metric:
            name = f"{row['strategy']} ({row['source']})"
            lines.append(
                f"  {name:<36}{row['split']:>8}{row['score']:>8.3f}{row['by_patient']:>12.3f}{row['inflation']:>+11.3f}"
                f"  {_say_interval(row['low'], row['high'], True):<20}{_say_pair(row):>14}  "
                f"{verdicts.get((row['source'], row['strategy']), '')}".rstrip()
            )
    if dice:
        lines += ["", f"Tumour Dice, mean over patients{_say_published(published, 'dice')}"]
        lines += [
            f"  {row['method']:<36}{row['dice']:>8.3f}  {_say_interval(row['low'], row['high']):<18}"
            f"{row['patients']:>4} patients"
            for row in dice
        ]
    lines += ["", "Random labels: in the control split and by patient, with the labels permuted among the patients."]
    return "\n".join(lines) + "\n"


def map_verdicts(comparison: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], str]:
    """Map source and strategy to the verdict on the classification by patient, where there is one."""
    return {
        (row["source"], row["strategy"]): row["verdict"]
        for row in comparison
        if row["verdict"] and row["task"] == "classification" and not shares_patients(row["split"])
    }


def _take_firsts(rows: Sequence[ReplayRow]) -> list[ReplayRow]:
    """Take the first row of each control split."""
    splits = dict.fromkeys(row["split"] for row in rows)
    return [next(row for row in rows if row["split"] == split) for split in splits]


def _say_counts(row: ReplayRow) -> str:
    """Say over what a control split is compared."""
    return (
        f"{row['split']}: {row['slices']} slices of {row['patients']} patients, {row['shared']} of them in training "
        f"too; {row['folds']} folds by patient, {row['seeds']} seed{'s' * (row['seeds'] > 1)}"
    )


def _say_published(published: Mapping[str, float], metric: str) -> str:
    """Say what was published in a metric, if it was."""
    return f" (published {published[metric]:.3f})" if metric in published else ""


def _say_pair(row: ReplayRow) -> str:
    """Write the two scores with random labels."""
    return "" if np.isnan(row["random"]) else f"{row['random']:.3f} / {row['random_by_patient']:.3f}"


def _say_interval(low: float, high: float, signed: bool = False) -> str:
    """Write an interval; nothing if there is none."""
    if np.isnan(low):
        return ""
    return f"{low:+.3f} to {high:+.3f}" if signed else f"{low:.3f} to {high:.3f}"


# the columns of the tables
REPLAY = tuple(ReplayRow.__annotations__)
DICE = tuple(DiceRow.__annotations__)
