"""The chapter on tumour candidates: those proposed without training, and those of a fitted classifier."""

from collections import defaultdict

import numpy as np

from neurograft.core.strategies import METHODS
from neurograft.core.tables import parse_number
from neurograft.report import sentences, summaries
from neurograft.report.charts import cohort

KS = (1, 5, 10, 20)


def describe_candidates(records, cells=()):
    """Summarise how much of the tumour the first candidates contain.

    Parameters
    ----------
    records : dict of str to dict
        Subject to the record of `proposal.propose_candidates`.
    cells : list of dict
        Cells (`cell_folder.read_cell`); those that classified supervoxels have `judged`.

    Returns
    -------
    dict
        `subjects`, `labelled` (counts), `flags`; charts `oracle`, `recall` and `curve`, or ""; `oracle_mean`;
        `scorers`: one row per way of scoring, if there is more than one.
    """
    oracle, recalls, curves = [], {}, {}
    for subject, record in sorted(records.items()):
        best = parse_number(record.get("oracle_dice"))
        if best is not None:
            oracle.append((subject, best, False))
        if read_recall(record):
            recalls[subject] = read_recall(record)
        if record.get("curve"):
            curves[subject] = {int(k): parse_number(value) for k, value in record["curve"].items()}
    flags = {subject: record["flags"] for subject, record in sorted(records.items()) if record.get("flags")}
    return {
        "subjects": len(records), "labelled": len(recalls), "flags": flags,
        "oracle": cohort.draw_strip(oracle, 3) if oracle else "",
        "oracle_mean": summaries.mean_interval([value for _, value, _ in oracle], summaries.SHARE) if oracle else None,
        "recall": cohort.draw_recall(recalls) if recalls else "",
        "curve": cohort.draw_recall(curves, "number of supervoxels", "best Dice") if curves else "",
        "scorers": compare_scorers(records, cells),
    }  # fmt: skip


def read_recall(record):
    """Return k to the share of the tumour in the first k candidates, where it was measured."""
    recall = {int(k): parse_number(value) for k, value in (record.get("recall") or {}).items()}
    return {k: value for k, value in recall.items() if value is not None}


def list_first(record):
    """List the first candidates' rank, volume in ml, centre and depth in mm, and score, as text.

    Coordinates have a plain hyphen as minus sign, so that they can be pasted into a viewer.
    """
    digits = {"rank": 0, "volume_ml": 1, "x_mm": 0, "y_mm": 0, "z_mm": 0, "depth_mm": 0, "score": 1}
    return [[f"{row[name]:.{places}f}" for name, places in digits.items()] for row in record.get("first") or ()]


def compare_scorers(records, cells):
    """Compare candidates of classifiers, fitted on other patients, with those proposed without training.

    Means are over the patients that all ways scored. Classifiers count with their largest n, and the seeds of a patient
    are averaged.

    Returns
    -------
    list of list
        Name, mean recall at each of `KS`, mean number of false candidates, patients. Empty where nothing was fitted.
    """
    ways = {"without training": {}}
    for subject, record in records.items():
        recall = read_recall(record)
        values = [recall.get(k) for k in KS] + [parse_number(record.get("false_candidates"))]
        if None not in values:
            ways["without training"][subject] = [values]
    fitted = [cell for cell in cells if cell["strategy"] in METHODS and cell.get("judged")]
    most = max((summaries.size(cell["n"]) for cell in fitted), default=0)
    for cell in fitted:
        if summaries.size(cell["n"]) == most:
            scored = ways.setdefault(sentences.name_arm(cell), defaultdict(list))
            for row in cell["judged"]:
                values = [parse_number(row[f"recall_{k}"]) for k in KS] + [parse_number(row["false_candidates"])]
                if None not in values:
                    scored[row["subject"]].append(values)
    common = set.intersection(*(set(scored) for scored in ways.values()))
    if len(ways) < 2 or not common:
        return []
    rows = []
    for name, scored in ways.items():
        means = np.mean([np.mean(scored[subject], axis=0) for subject in sorted(common)], axis=0)
        rows.append(
            [
                name,
                *(sentences.format_number(value, 2) for value in means[:-1]),
                sentences.format_number(means[-1], 1),
                str(len(common)),
            ]
        )
    return rows
