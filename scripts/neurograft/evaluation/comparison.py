"""The comparison of strategies with their controls, paired over patients.

Tables are lists of dicts, one a row; scores are those of `evaluation`.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from neurograft.core.cells import CELL, PRIMARY, control_sources
from neurograft.core.strategies import CONTROLS, METHODS, UNTRAINED
from neurograft.evaluation.metrics import METRICS, keep_in_range
from neurograft.evaluation.scores import SCORES, pool_classification, reach_times
from neurograft.experiment.cell_folder import read_cell, read_classes, read_seconds
from neurograft.stats import comparisons

AGAIN = "scratch-again"
# what two arms of a comparison share
WITHIN = ("task", "space", "split", "n")


def compare_strategies(scores, cells=(), patients=None, primary=None, kin=None):
    """Compare every strategy with the controls, paired over patients.

    Seeds (and time points of one patient) are averaged inside a patient first. The primary family, and only
    it, has p values and verdicts: Dice of the whole tumour in the primary space and split at the largest n,
    each strategy and source against scratch; the controls themselves are not in it, nor is what trains no
    network (`strategies.UNTRAINED`): methods are held against scratch and against each other, an ensemble against
    scratch. Which source's control is taken says `cells.control_sources`.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`, values as numbers or text; rows without a subject are passed over.
    cells : list of dict
        `CELL` and `converged`; a comparison with a cell that is not converged gets no verdict.
    patients : dict of str to str, optional
        Subject to patient (`splits`), where a patient has several subjects.
    primary : dict, optional
        `space` and `split` of the primary family; by default those of the first score.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

    Returns
    -------
    list of dict
        `task`, `source`, `strategy`, `space`, `split`, `n`, `region`, `metric`, `against`, `patients`,
        `mean_difference` (strategy minus control, in the metric's unit), `low`, `high`, `p`, `p_adjusted`, `verdict`,
        `detectable`, `reason`, `better`.
    """
    frame = pd.DataFrame([row for row in scores if str(row["subject"])], columns=SCORES)
    frame = frame.astype({"value": float}).astype(dict.fromkeys((*CELL, "subject", "region", "metric"), str))
    frame["patient"] = [(patients or {}).get(subject, subject) for subject in frame["subject"]]
    rows = []
    for key, group in frame.groupby([*WITHIN, "region", "metric"], sort=False):
        common = dict(zip([*WITHIN, "region", "metric"], key, strict=True))
        owner = group.drop_duplicates("patient").set_index("patient")["fold"]
        arms = group.pivot_table(index="patient", columns=["strategy", "source"], values="value", sort=False)
        for strategy, source in arms.columns:
            arm = common | {"source": source, "strategy": strategy}
            for control in _controls(strategy, arm["metric"], arms, arm["task"]):
                sources = control_sources(source, list(arms[control]), kin)
                if sources:
                    rows.append(_compare(arm, control, sources, arms, owner))
    if primary is None and rows:
        primary = {"space": rows[0]["space"], "split": rows[0]["split"]}
    return _judge(rows, cells, PRIMARY | (primary or {}))


def compare_again(scores, cells=(), patients=None, primary=None):
    """Compare scratch with itself, trained again with other seeds (A/A): a verdict here would be a false one.

    The smallest seed is held against the mean of the others, through the functions that the primary family goes
    through. What scratch was not trained twice for is not in it.

    Parameters
    ----------
    scores, cells, patients, primary
        As in `compare_strategies`.

    Returns
    -------
    list of dict
        Rows with a verdict as `compare_strategies` gives them, of a strategy named `AGAIN`; one a source.
    """

    def arm(row):
        return tuple(str(row[name]) for name in (*WITHIN, "source"))

    tested = [row for row in scores if str(row["subject"])]
    if primary is None and tested:
        primary = {"space": tested[0]["space"], "split": tested[0]["split"]}
    seeds = {}
    for row in tested:
        if row["strategy"] == "scratch":
            seeds.setdefault(arm(row), set()).add(int(row["seed"]))

    def rename(rows):
        several = [row for row in rows if row["strategy"] == "scratch" and len(seeds.get(arm(row), ())) > 1]
        return [row | {"strategy": AGAIN if int(row["seed"]) > min(seeds[arm(row)]) else "scratch"} for row in several]

    rows = compare_strategies(rename(tested), rename(cells), patients, primary)
    return [row for row in rows if row["strategy"] == AGAIN and row["verdict"]]


def _controls(strategy, metric, arms, task):
    """The controls that an arm is held against: those trained, of a metric with a better direction."""
    simpler = list(METHODS)[list(METHODS).index(strategy) + 1 :] if strategy in METHODS else []
    own = ("scratch", *simpler) if strategy in UNTRAINED else CONTROLS
    against = {"scratch": (), "frozen-random": ("scratch",)}.get(strategy, own)
    trained = arms.columns.get_level_values("strategy")
    return [control for control in against if control in trained and METRICS[task][metric]["better"]]


def _compare(arm, control, sources, arms, owner):
    """One row: an arm against one control, patient by patient."""
    difference = (arms[(arm["strategy"], arm["source"])] - arms[control][sources].mean(axis=1)).dropna()
    folds = owner.reindex(difference.index).to_numpy(str)
    better = METRICS[arm["task"]][arm["metric"]]["better"]
    row = arm | {"against": control, "better": better, "sources": sources, "values": (difference, folds)}
    return row | comparisons.paired_comparison(difference.to_numpy(), folds)


def _judge(rows, cells, wanted):
    """Give the primary family its p values and verdicts, and every row its final columns."""
    primary = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    largest = max((_size(row["n"]) for row in primary), default=None)
    family = [
        row
        for row in primary
        if _size(row["n"]) == largest and row["against"] == "scratch" and row["strategy"] not in (*CONTROLS, *UNTRAINED)
    ]
    adjusted = comparisons.holm([np.nan_to_num(row["p"], nan=1.0) for row in family])
    for row in rows:
        row |= {"p_adjusted": np.nan, "verdict": "", "reason": ""}
    for row, value in zip(family, adjusted, strict=True):
        difference, folds = row["values"]
        row["detectable"] = comparisons.paired_comparison(difference.to_numpy(), folds, len(family))["detectable"]
        row["p_adjusted"] = float(value)
        row["verdict"], row["reason"] = comparisons.judge(row, value, len(family), row["better"])
        unfinished = _unfinished(row, cells)
        if unfinished:
            row |= {"verdict": "not converged", "reason": f"the loss still fell at the end of {unfinished}: more steps"}
    for row in rows:
        row["mean_difference"] = row.pop("mean")
        row["p"] = row["p"] if np.isfinite(row["p_adjusted"]) else np.nan
    # after the verdict, which no bound changes: 0 lies inside every range of a difference
    rows = [keep_in_range(row, row["metric"], difference=True) for row in rows]
    return [{name: row[name] for name in COMPARISON} for row in rows]


def _unfinished(row, cells):
    """How many of a comparison's trainings had not converged, in words, or nothing."""

    def mine(cell):
        same = all(str(cell[name]) == row[name] for name in WITHIN)
        own = cell["strategy"] == row["strategy"] and cell["source"] == row["source"]
        return same and (own or (cell["strategy"] == row["against"] and cell["source"] in row["sources"]))

    concerned = [cell for cell in cells if mine(cell)]
    falling = sum(str(cell["converged"]).lower() != "true" for cell in concerned)
    return f"{falling} of {len(concerned)} trainings" if falling else ""


def _size(n):
    """Order the training sizes, `all` the largest."""
    return np.inf if str(n) == "all" else float(n)


_ARM = ("task", "source", "strategy", "space", "split", "n")
# the columns of the table
COMPARISON = (
    *_ARM,
    *("region", "metric", "against", "patients", "mean_difference", "low", "high", "p", "p_adjusted", "verdict"),
    *("detectable", "reason", "better"),
)


def compare_cells(folders, scores, split, primary=None, kin=None):
    """Put all cells' scores together, compare the strategies, and say how fast each was.

    Parameters
    ----------
    folders : list of str or Path
        The cells.
    scores : list of dict
        The rows of every cell that `score_cell` gave.
    split : dict
        `splits.json`.
    primary, kin : dict, optional
        As in `comparison.compare_strategies`.

    Returns
    -------
    scores, comparison, again, times : list of dict
        Rows of four tables of `results/evaluation`.
    """
    cells = [(Path(folder), read_cell(folder)) for folder in folders]
    trained = [(folder, cell) for folder, cell in cells if cell["trained"]]
    task = split["tasks"]["classification"]
    predicted = [(cell, read_classes(folder)) for folder, cell in trained if cell["task"] == "classification"]
    pooled = pool_classification(predicted, task["classes"])
    patients = {**task["patients"], **split["tasks"]["segmentation"]["patients"]}
    known = [cell for _, cell in trained]
    compared = compare_strategies(scores, known, patients, primary, kin) if scores else []
    again = compare_again(scores, known, patients, primary)
    times = [reach_times(cell, cell["history"], read_seconds(folder)) for folder, cell in trained]
    return [*scores, *pooled], compared, again, times
