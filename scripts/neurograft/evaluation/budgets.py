"""What a strategy gains at each budget of training, on the test patients, and where it reaches the end of scratch.

Two questions need two answers. At equal budgets: both networks are compared after the same number of steps. Each at its
end: with `steps: auto` the ends are each network's plateau. Verdicts are given for the ends alone (`comparison`); the
rows here have intervals and probabilities, of several looks at the same trainings.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from neurograft.core.cells import ARM, CELL, Arm, Kin
from neurograft.core.split_file import SplitFile
from neurograft.core.strategies import trains_here
from neurograft.evaluation.comparison import ComparisonRow, Judging, Primary, compare_strategies, list_patients
from neurograft.evaluation.frames import average_patients, group_rows
from neurograft.evaluation.pairing import name_patients
from neurograft.evaluation.records import BudgetScore, ScoreRow, TrainedCell


class GainRow(Arm):
    """A row of `gain_by_budget.tsv`: an arm at a budget, against scratch at the same budget and at its end."""

    region: str
    metric: str
    budget: float
    patients: int
    steps: float  # means over the arm's cells
    seconds: float
    processor: float  # seconds of the processor: training and predicting the test patients
    score: float
    mean_difference: float  # at equal budgets; empty for scratch itself
    low: float
    high: float
    p_better: float
    to_end: float  # minus the score of finished scratch
    to_end_low: float
    to_end_high: float
    margin: float


# the columns of the table
GAINS = (
    *ARM,
    *("region", "metric", "budget", "patients", "steps", "seconds", "processor", "score"),
    *("mean_difference", "low", "high", "p_better", "to_end", "to_end_low", "to_end_high", "margin"),
)


def list_gains(
    scores: Iterable[BudgetScore],
    cells: Sequence[TrainedCell],
    split: SplitFile,
    primary: Primary | None = None,
    kin: Kin | None = None,
    judging: Judging | None = None,
) -> list[GainRow]:
    """Compare every network with scratch at each budget, in the measure, space and split of the verdicts.

    Parameters
    ----------
    scores : iterable of dict
        Rows of every cell, from `scores.score_cell`; not read if no training was cut.
    cells : list of dict
        The trained networks.
    split : dict
        `splits.json`.
    primary, kin, judging : optional
        As in `comparison.compare_strategies`.

    Returns
    -------
    list of dict
        A row for each arm and budget, in ascending order; none if no training was cut.
    """
    budgets = sorted({row["share"] for cell in cells for row in cell["budgets"]} | {1.0})
    if len(budgets) < 2:
        return []
    patients = list_patients(split)
    networks = [row for row in scores if trains_here(row["source"], row["strategy"])]
    finished = [row for row in networks if row["budget"] == 1]
    judged = [row for row in compare_strategies(finished, patients, primary, kin, judging) if row["verdict"]]
    if not judged:
        return []
    keys = ("task", "space", "split", "n", "region", "metric")
    measure = {name: judged[0][name] for name in keys}
    networks = [row for row in networks if all(str(row[name]) == str(measure[name]) for name in keys)]
    ends, by_arm = _at_budget(networks, 1.0), group_rows(cells, ARM)
    scratch = [row for row in ends if row["strategy"] == "scratch"]
    rows: list[GainRow] = []
    for budget in budgets:
        reached = _at_budget(networks, budget)
        equal = _compare(reached, patients, primary, kin, judging)
        adapted = [row for row in reached if row["strategy"] != "scratch"]
        to_end = equal if budget == 1 else _compare([*adapted, *scratch], patients, primary, kin, judging)
        for arm, group in group_rows(reached, ARM).items():
            name = group[0]["source"], group[0]["strategy"]
            compared = equal.get(name), to_end.get(name)
            rows.append(_gain_row(budget, group, by_arm.get(arm, []), patients, compared))
    return rows


def _at_budget(scores: Sequence[BudgetScore], budget: float) -> list[ScoreRow]:
    """Take the scores at a budget; a training that ended before it counts with its end."""
    chosen: list[ScoreRow] = []
    for group in group_rows(scores, CELL).values():
        known = {row["budget"] for row in group}
        at = budget if budget in known else 1.0
        chosen += [row for row in group if row["budget"] == at]
    return chosen


def _compare(
    scores: Iterable[ScoreRow],
    patients: Mapping[str, str],
    primary: Primary | None,
    kin: Kin | None,
    judging: Judging | None,
) -> dict[tuple[str, str], ComparisonRow]:
    """Compare each source and strategy with scratch."""
    rows = compare_strategies(scores, patients, primary, kin, judging)
    return {(row["source"], row["strategy"]): row for row in rows if row["against"] == "scratch"}


def _arm(row: ScoreRow) -> Arm:
    """Take the arm of a score."""
    return {
        "task": row["task"], "source": row["source"], "strategy": row["strategy"],
        "space": row["space"], "split": row["split"], "n": row["n"],
    }  # fmt: skip


def _gain_row(
    budget: float,
    group: Sequence[ScoreRow],
    cells: Sequence[TrainedCell],
    patients: Mapping[str, str],
    compared: tuple[ComparisonRow | None, ComparisonRow | None],
) -> GainRow:
    """Make a row of the table, of an arm compared with scratch at equal budgets and with finished scratch."""
    arm, (equal, to_end) = _arm(group[0]), compared
    means = average_patients(name_patients(group, patients))
    nothing = np.nan
    taken = [_spend(cell, budget) for cell in cells] or [(nothing,) * 3]
    steps, seconds, processor = np.mean(taken, axis=0).tolist()
    return {
        **arm,
        "region": group[0]["region"],
        "metric": group[0]["metric"],
        "budget": budget,
        "patients": len(means),
        "steps": steps,
        "seconds": seconds,
        "processor": processor,
        "score": float(np.mean(list(means.values()))),
        "mean_difference": equal["mean_difference"] if equal else nothing,
        "low": equal["low"] if equal else nothing,
        "high": equal["high"] if equal else nothing,
        "p_better": equal["p_better"] if equal else nothing,
        "to_end": to_end["mean_difference"] if to_end else nothing,
        "to_end_low": to_end["low"] if to_end else nothing,
        "to_end_high": to_end["high"] if to_end else nothing,
        "margin": to_end["margin"] if to_end else nothing,
    }


def _spend(cell: TrainedCell, budget: float) -> tuple[float, float, float]:
    """Return the steps, seconds and processor seconds of a training until a budget, or until its end."""
    spent = {row["share"]: row["training"] + row["prediction"] for row in cell["processor"]}
    for row in cell["budgets"]:
        if row["share"] == budget:
            return row["steps"], row["seconds"], spent.get(budget, np.nan)
    return len(cell["history"]), cell["seconds"][-1] if cell["seconds"] else np.nan, spent.get(1.0, np.nan)
