"""Scores of every cell, tidy, and the comparison of strategies over patients.

A cell is a dict of `CELL`: one training of the experiment. Tables are lists of dicts, one a row.
"""

import numpy as np
import pandas as pd

from . import statistics
from .delivery import THRESHOLD, to_native_grid
from .metrics import METRICS
from .regions import labels_from_regions, region_masks

CELL = ("task", "source", "strategy", "n", "fold", "seed")
CONTROLS = ("scratch", "frozen-random")
PRIMARY = {"task": "segmentation", "region": "WT", "metric": "dice"}


def score_segmentation(cell, subject, probabilities, transform, labels, scheme):
    """Score one subject of a cell on the native grid, against the label file as it is.

    Parameters
    ----------
    cell : dict
        With the keys of `CELL`; others are passed over.
    subject : str
    probabilities : dict of str to nibabel.Nifti1Image
        Region to probability on the template grid.
    transform : ndarray, shape (4, 4)
        Native world to template world: `delivery.native_transform`.
    labels : nibabel.Nifti1Image
        The dataset's own file, in its own orientation and values.
    scheme : str
        Row of `regions.LABEL_SCHEMES`.

    Returns
    -------
    list of dict
        A row a region and metric: `CELL`, `subject`, `region`, `metric`, `value`.
    """
    shape = labels.shape[:3]
    truth = np.rint(np.asanyarray(labels.dataobj).reshape(shape)).astype(np.int16)
    native = to_native_grid(probabilities, transform, shape, labels.affine, floor=THRESHOLD * 0.99)
    # by way of labels, so that exactly what would be delivered is scored
    predicted = region_masks(labels_from_regions(native, scheme, THRESHOLD), scheme)
    spacing = np.linalg.norm(np.asarray(labels.affine)[:3, :3], axis=0)
    wanted = {region: mask for region, mask in region_masks(truth, scheme).items() if region in native}
    return [
        _row(cell, subject, region, metric, row["function"](mask, predicted[region], spacing))
        for region, mask in wanted.items()
        for metric, row in METRICS["segmentation"].items()
    ]


def score_classification(cell, predictions, classes):
    """Score each test patient of a cell, over its slices or as the one prediction that it has.

    Parameters
    ----------
    cell : dict
    predictions : list of dict
        A row a unit and class: `subject`, `slice` (empty where the patient is the unit), `class`,
        `probability`, `truth` (the name of the true class). Where only one of two classes is listed the
        other has the rest.
    classes : list of str
        With two, the second is the positive one.

    Returns
    -------
    list of dict
        As `score_segmentation`, region empty. A metric that a patient cannot have, such as the AUC of slices
        that are all tumour-free, has no row.
    """
    if not predictions:  # test patients without a usable slice
        return []
    subjects = _units(predictions, classes).groupby("subject", sort=True)
    return [row for subject, units in subjects for row in _classified(cell, subject, units, classes)]


def pool_classification(cells, classes):
    """Score the whole cohort, fold and subject empty: what a single patient cannot have.

    Over slices, the mean of the patients that have the metric. Where the patient is the unit, the out-of-fold
    predictions of all folds together: a fold has too few patients for an AUC, at the price that
    probabilities of several networks stand in one ranking.

    Parameters
    ----------
    cells : list of (dict, list of dict)
        Every cell with its predictions, as in `score_classification`.
    classes : list of str

    Returns
    -------
    list of dict
    """
    groups = {}
    for cell, predictions in cells:
        key = tuple(str(cell[name]) for name in CELL if name != "fold")
        parts = groups.setdefault(key, ({**cell, "fold": ""}, []))[1]
        parts += [_units(predictions, classes)] if predictions else []
    rows = []
    for pooled, parts in groups.values():
        if not parts:
            continue
        units = pd.concat(parts, ignore_index=True)
        if units["slice"].eq("").all():
            rows += _classified(pooled, "", units, classes)
            continue
        single = pd.DataFrame(
            [row for subject, own in units.groupby("subject") for row in _classified(pooled, subject, own, classes)]
        )
        for metric in METRICS["classification"]:
            values = single.loc[single["metric"] == metric, "value"]
            rows += [_row(pooled, "", "", metric, values.mean())] if len(values) else []
    return rows


def _units(predictions, classes):
    """One row a unit: subject, slice, index of the true class, the probabilities as an array."""
    frame = pd.DataFrame(predictions, columns=["subject", "slice", "class", "probability", "truth"])
    frame["slice"] = frame["slice"].fillna("").astype(str)
    frame[["class", "truth"]] = frame[["class", "truth"]].astype(str)
    unknown = set(frame["class"]) | set(frame["truth"])
    if unknown - set(classes):
        raise ValueError(f"predictions of classes {sorted(unknown - set(classes))}; the task has {list(classes)}")
    frame["probability"] = frame["probability"].astype(float)
    wide = frame.pivot_table(index=["subject", "slice", "truth"], columns="class", values="probability", sort=True)
    if wide.shape[1] == 1 and len(classes) == 2:
        wide[next(name for name in classes if name not in wide)] = 1 - wide.iloc[:, 0]
    units = wide.index.to_frame(index=False)
    units["truth"] = [list(classes).index(name) for name in units["truth"]]
    units["chances"] = list(wide[list(classes)].to_numpy())
    return units


def _classified(cell, subject, units, classes):
    """Rows of all classification metrics that are defined for these units."""
    truth, chances = units["truth"].to_numpy(), np.stack(units["chances"].tolist())
    values = {name: row["function"](truth, chances) for name, row in METRICS["classification"].items()}
    return [_row(cell, subject, "", name, value) for name, value in values.items() if np.isfinite(value)]


def _row(cell, subject, region, metric, value):
    """One row of `scores.tsv`."""
    return {name: cell[name] for name in CELL} | {
        "subject": subject,
        "region": region,
        "metric": metric,
        "value": float(value),
    }


def compare_strategies(scores, cells=(), patients=None):
    """Compare every strategy with the controls, paired over patients.

    Seeds (and time points of one patient) are averaged inside a patient first. The primary family, and only
    it, has p values and verdicts: Dice of the whole tumour at the largest n, each strategy and source
    against scratch; the controls themselves are not in it. The control of the same source is taken, or,
    where that source has none, the mean of the other sources' controls.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`, values as numbers or text; rows without a subject are passed over.
    cells : list of dict
        `CELL` and `converged`; a comparison with a cell that is not converged gets no verdict.
    patients : dict of str to str, optional
        Subject to patient (`splits`), where a patient has several subjects.

    Returns
    -------
    list of dict
        `task`, `source`, `strategy`, `n`, `region`, `metric`, `against`, `patients`, `mean_difference`
        (strategy minus control, in the metric's unit), `low`, `high`, `p`, `p_adjusted`, `verdict`,
        `detectable`, `reason`, `better`.
    """
    frame = pd.DataFrame([row for row in scores if str(row["subject"])], columns=SCORES)
    frame = frame.astype({"value": float}).astype(dict.fromkeys((*CELL, "subject", "region", "metric"), str))
    frame["patient"] = [(patients or {}).get(subject, subject) for subject in frame["subject"]]
    owner = frame.drop_duplicates(["task", "patient"]).set_index(["task", "patient"])["fold"]
    rows = []
    for (task, n, region, metric), group in frame.groupby(["task", "n", "region", "metric"], sort=False):
        arms = group.pivot_table(index="patient", columns=["strategy", "source"], values="value", sort=False)
        for strategy, source in arms.columns:
            arm = {"task": task, "source": source, "strategy": strategy, "n": n, "region": region, "metric": metric}
            for control in _controls(strategy, metric, arms, task):
                rows.append(_compare(arm, control, arms, owner[task]))
    return _judge(rows, cells)


def _controls(strategy, metric, arms, task):
    """The controls that an arm is held against: those trained, of a metric with a better direction."""
    against = {"scratch": (), "frozen-random": ("scratch",)}.get(strategy, CONTROLS)
    trained = arms.columns.get_level_values("strategy")
    return [control for control in against if control in trained and METRICS[task][metric]["better"]]


def _compare(arm, control, arms, owner):
    """One row: an arm against one control, patient by patient."""
    controls = arms[control]
    sources = [arm["source"]] if arm["source"] in controls else list(controls)
    difference = (arms[(arm["strategy"], arm["source"])] - controls[sources].mean(axis=1)).dropna()
    folds = owner.reindex(difference.index).to_numpy(str)
    better = METRICS[arm["task"]][arm["metric"]]["better"]
    row = arm | {"against": control, "better": better, "sources": sources, "values": (difference, folds)}
    return row | statistics.paired_comparison(difference.to_numpy(), folds)


def _judge(rows, cells):
    """Give the primary family its p values and verdicts, and every row its final columns."""
    primary = [row for row in rows if all(row[key] == value for key, value in PRIMARY.items())]
    largest = max((_size(row["n"]) for row in primary), default=None)
    family = [
        row
        for row in primary
        if _size(row["n"]) == largest and row["against"] == "scratch" and row["strategy"] not in CONTROLS
    ]
    adjusted = statistics.holm([np.nan_to_num(row["p"], nan=1.0) for row in family])
    for row in rows:
        row |= {"p_adjusted": np.nan, "verdict": "", "reason": ""}
    for row, value in zip(family, adjusted, strict=True):
        difference, folds = row["values"]
        row["detectable"] = statistics.paired_comparison(difference.to_numpy(), folds, len(family))["detectable"]
        row["p_adjusted"] = float(value)
        row["verdict"], row["reason"] = statistics.judge(row, value, len(family), row["better"])
        unfinished = _unfinished(row, cells)
        if unfinished:
            row |= {"verdict": "not converged", "reason": f"the loss still fell at the end of {unfinished}: more steps"}
    for row in rows:
        row["mean_difference"] = row.pop("mean")
        row["p"] = row["p"] if np.isfinite(row["p_adjusted"]) else np.nan
    return [{name: row[name] for name in COMPARISON} for row in rows]


def _unfinished(row, cells):
    """How many of a comparison's trainings had not converged, in words, or nothing."""

    def mine(cell):
        same = str(cell["task"]) == row["task"] and str(cell["n"]) == row["n"]
        own = cell["strategy"] == row["strategy"] and cell["source"] == row["source"]
        return same and (own or (cell["strategy"] == row["against"] and cell["source"] in row["sources"]))

    concerned = [cell for cell in cells if mine(cell)]
    falling = sum(str(cell["converged"]).lower() != "true" for cell in concerned)
    return f"{falling} of {len(concerned)} trainings" if falling else ""


def _size(n):
    """Order the training sizes, `all` the largest."""
    return np.inf if str(n) == "all" else float(n)


def reach_times(cell, history, seconds, dice=0.8, window=5):
    """Say how soon a cell's training reached a set Dice on the slices that it trained on.

    Reached is where the mean of the last `window` values is at least `dice` for the first time, for a single
    batch may be easy.

    Parameters
    ----------
    cell : dict
    history : list of dict
        Rows with `step` and, of segmentation, `train_dice`; numbers or text.
    seconds : list of float or list of dict
        Time since the start at each row of the history, or rows with `seconds`.
    dice : float
    window : int

    Returns
    -------
    dict
        `CELL`, `steps`, `seconds`, `steps_to_dice`, `seconds_to_dice` (NaN: not reached), `dice`.
    """
    times = [float(value["seconds"] if isinstance(value, dict) else value) for value in seconds]
    values = [float(row.get("train_dice") or np.nan) for row in history]
    smooth = pd.Series(values, dtype=float).rolling(window).mean().to_numpy()
    reached = np.flatnonzero(smooth >= dice)
    at = int(reached[0]) if len(reached) else None
    return {name: cell[name] for name in CELL} | {
        "steps": int(history[-1]["step"]) if history else 0,
        "seconds": times[-1] if times else np.nan,
        "steps_to_dice": np.nan if at is None else int(history[at]["step"]),
        "seconds_to_dice": np.nan if at is None else times[at],
        "dice": dice,
    }


_ARM = ("task", "source", "strategy", "n")
# the columns of the three tables
SCORES = (*CELL, "subject", "region", "metric", "value")
TIMES = (*CELL, "steps", "seconds", "steps_to_dice", "seconds_to_dice", "dice")
COMPARISON = (
    *_ARM,
    *("region", "metric", "against", "patients", "mean_difference", "low", "high", "p", "p_adjusted", "verdict"),
    *("detectable", "reason", "better"),
)
