"""Where control splits may stand, and which cells are shown beside each other."""

import pytest

from neurograft.core.config import SettingsError
from neurograft.core.replay import check_controls, choose_replayed


def arm(split, strategy="lp-ft", n="all"):
    return {"source": "photos", "strategy": strategy, "space": "MNI152", "split": split, "n": n}


def task(*splits, target="tumour-slice", unit="patient"):
    return {"splits": list(splits), "target": target, "unit": unit}


def test_controls_stand_beside_the_split_by_patient():
    check_controls(task("folds", "slices"), [arm("folds"), arm("slices")])
    check_controls(task("folds"), [arm("folds"), arm("folds", n=4)])
    check_controls(task("folds", "slices", target="grade", unit="slice"), [arm("folds"), arm("slices")])
    for wrong, arms, words in (
        (task("slices", "folds"), [arm("slices"), arm("folds")], "put 'folds'"),
        (task("slices"), [arm("slices")], "put 'folds'"),
        (task("sites"), [arm("sites"), arm("slices")], "put 'folds'"),
        (task("folds", "slices"), [arm("folds"), arm("slices", n=4)], r"takes n: \[all\]"),
        (task("folds", "slices", target="grade"), [arm("folds"), arm("slices")], "set unit to slice"),
    ):
        with pytest.raises(SettingsError, match=words):
            check_controls(wrong, arms)


def test_the_same_arms_by_patient_are_shown_beside_the_controls():
    cells = [arm("folds"), arm("folds", "scratch"), arm("slices"), arm("sites"), arm("folds-random-labels")]
    assert choose_replayed(cells) == [cells[0], cells[2], cells[4]]
    assert choose_replayed(cells[:2]) == []
