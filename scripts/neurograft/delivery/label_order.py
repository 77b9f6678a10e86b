"""Whom to label next: the patients whose masks the networks are least certain of, and whether that beats chance.

The order of the unlabelled comes from the delivered networks' probabilities alone. Whether such an order is worth
anything is replayed on the labelled patients, with classifiers of supervoxels, which are fitted in seconds: labels are
asked for one after another, of the least certain first or at random, and other patients' masks are scored.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from neurograft.core.split_file import SplitFile
from neurograft.core.tables import parse_number
from neurograft.delivery.mask_features import EXPECTED_DICE, expect_dice, weigh_dice
from neurograft.execution import logs
from neurograft.experiment.supervoxel_classifier import fit_classifiers, predict_chances
from neurograft.stats.clustered_error import t_half_width

START, STEP, ROUNDS = 3, 2, 3  # labels at the start, labels asked for in a round, rounds
REPEATS = 10
TESTED = 3  # one of so many patients is scored and never asked for
FEWEST = 9  # patients: with fewer there is nobody left to choose from
MOST = 60  # patients of a draw, so that a large cohort takes no longer
# what the replay needs of a patient; the cut itself, a volume, would fill the memory
NEEDED = ("subject", "names", "described", "pooled", "truth", "volume")
UNCERTAIN, RANDOM = "least certain", "random"


def choose_labelled(split: SplitFile) -> list[str]:
    """Choose one labelled subject of each patient, the first."""
    task = split["tasks"]["segmentation"]
    return list({task["patients"][subject]: subject for subject in reversed(task["subjects"])}.values())[::-1]


def order_unlabelled(measured: Sequence[Mapping[str, str]], split: SplitFile, labelled=()):
    """Order the patients without a label by how little the delivered networks are sure of their outermost region.

    Parameters
    ----------
    measured : list of dict
        Rows of `mask_features.measure_masks`, as text.
    split : SplitFile
    labelled : collection of str
        Subjects that have a label, used or not: nobody is asked for these.

    Returns
    -------
    list of dict
        `ORDER`, the least certain first. A patient with several visits is there once, with the least certain.
    """
    rows = [row for row in measured if row["labelled"] != "true" and row["subject"] not in labelled]
    outermost = next((row["region"] for row in measured), "")
    patients = split["tasks"]["segmentation"]["patients"]
    found: dict[str, list[float]] = {}
    for row in rows:
        value = parse_number(row[EXPECTED_DICE])
        if row["region"] == outermost and value is not None:
            found.setdefault(row["subject"], []).append(value)
    certain = sorted((float(np.mean(values)), subject) for subject, values in found.items())
    first: dict[str, dict] = {}
    for value, subject in certain:
        about = {"subject": subject, "patient": patients[subject], "region": outermost}
        first.setdefault(patients[subject], about | {EXPECTED_DICE: round(value, 4)})
    return [{"rank": rank, **row} for rank, row in enumerate(first.values(), start=1)]


def replay_order(patients: Sequence[dict], seed=0, threads=1):
    """Ask for the labels of labelled patients one after another, in two orders, and score other patients each time.

    Both orders begin with the same patients and are scored on the same others. Rounds at whose end everybody is
    labelled are left out, because then there was nothing to choose.

    Parameters
    ----------
    patients : list of dict
        `NEEDED` of each patient (`supervoxel_cells.read_patient`), with truth.
    seed, threads : int

    Returns
    -------
    list of dict
        `REPLAY`: the Dice of the outermost region, counted in supervoxels.
    """
    rows = []
    for repeat in range(REPEATS if len(patients) >= FEWEST else 0):
        random = np.random.default_rng([seed, repeat])
        drawn = random.permutation(len(patients))[:MOST].tolist()
        count = len(drawn) // TESTED
        tested, pool = [patients[k] for k in drawn[:count]], [patients[k] for k in drawn[count:]]
        first = _fit(pool[:START], seed, threads)
        for order in (UNCERTAIN, RANDOM):
            labelled, left, model = pool[:START], pool[START:], first
            for _ in range(ROUNDS):
                if len(left) <= STEP:
                    break
                if order == UNCERTAIN:
                    certain = [expect_dice(predict_chances(model, one, threads)[:, 0], one["volume"]) for one in left]
                    left = [left[k] for k in np.argsort(certain, kind="stable")]
                labelled, left = labelled + left[:STEP], left[STEP:]
                model = _fit(labelled, seed, threads)
                about = {"repeat": repeat, "order": order, "labels": len(labelled)}
                rows += [about | {"subject": one["subject"], "dice": _score(model, one, threads)} for one in tested]
        logs.log_line(f"replayed {repeat + 1} of {REPEATS}")
    return rows


def _fit(patients, seed, threads):
    """Fit the classifier of the outermost region alone."""
    return fit_classifiers([one | {"truth": one["truth"][:, :1]} for one in patients], 1, seed, threads)


def _score(model, patient, threads):
    """Compute the Dice of a patient's predicted supervoxels with the shares of them that are in the region."""
    mask = predict_chances(model, patient, threads)[:, 0] > 0.5
    return round(weigh_dice(mask, patient["truth"][:, 0], patient["volume"]), 4)


def judge_order(rows: Sequence[Mapping], patients: int):
    """Say whether asking for the least certain first beat a random order.

    Differences are first averaged in a patient, over labels and repeats; the interval is that of their mean over
    patients (t).

    Parameters
    ----------
    rows : list of dict
        `REPLAY`.
    patients : int
        Labelled patients of the replay.

    Returns
    -------
    dict
        `SUMMARY`; without numbers, and with a `reason`, where nothing was replayed.
    """
    summary: dict = dict.fromkeys(SUMMARY) | {"patients": patients, "repeats": REPEATS, "reason": ""}
    if not rows:
        return summary | {"repeats": 0, "reason": f"{patients} labelled patients; the replay takes {FEWEST}"}
    dice = {(row["order"], row["repeat"], row["labels"], row["subject"]): row["dice"] for row in rows}
    own: dict[str, list[float]] = {}
    for order, repeat, labels, subject in dice:
        if order == UNCERTAIN:
            gain = dice[UNCERTAIN, repeat, labels, subject] - dice[RANDOM, repeat, labels, subject]
            own.setdefault(subject, []).append(gain)
    gains = np.array([np.mean(values) for values in own.values()], float)
    half = t_half_width(gains)
    low, high = gains.mean() - half, gains.mean() + half
    numbers = {"gain": gains.mean(), "low": low, "high": high}
    numbers |= {"dice_random": np.mean([value for key, value in dice.items() if key[0] == RANDOM])}
    labels = [row["labels"] for row in rows]
    verdict = "helps" if low > 0 else "hurts" if high < 0 else "undecided"
    counts = {"scored": len(gains), "fewest_labels": min(labels), "most_labels": max(labels), "verdict": verdict}
    return summary | counts | {name: round(float(value), 4) for name, value in numbers.items()}


# the columns of the tables
ORDER = ("rank", "subject", "patient", "region", EXPECTED_DICE)
REPLAY = ("repeat", "order", "labels", "subject", "dice")
SUMMARY = (
    *("patients", "scored", "repeats", "fewest_labels", "most_labels", "dice_random", "gain", "low", "high"),
    *("verdict", "reason"),
)
