"""What a run classifies and judges, from its settings and its subjects."""

import pytest

from neurograft.core import judging
from neurograft.core.config import SettingsError
from neurograft.core.design import Design

TASK = {"sources": ["lite"], "strategies": ["scratch", "frozen-random", "lp-ft"], "spaces": ["template"],
        "splits": ["folds"], "n": ["all"], "seeds": [0, 1], "target": "diagnosis"}  # fmt: skip


def planned(**changes):
    tasks = {"segmentation": TASK, "classification": TASK} | changes
    return judging.plan_family(Design(tasks, {"template": "MNI152", "native": "native"}, 5, "lp-ft"), {"dice": 0.03})


def test_the_family_is_of_segmentation_and_else_of_classification():
    assert planned() == {"task": "segmentation", "compared": [("lite", "lp-ft"), ("lite", "lp-ft")], "seeds": 2,
                         "margin": 0.03}  # fmt: skip
    none = planned(segmentation=TASK | {"strategies": []})
    assert none["task"] == "classification" and none["margin"] == 0.0


def test_pictures_are_refused_unless_each_has_a_patient():
    known, unknown = ({"columns": {"stated_patient": name}} for name in ("P1", ""))
    assert judging.refuse_pictures({"a": known, "b": known}) == ""
    assert "1 of 2 pictures" in judging.refuse_pictures({"a": known, "b": unknown})


def test_an_unknown_target_is_named_with_the_columns_there_are():
    found = {"X": {"columns": {"diagnosis": "glioma", "age": "50"}}}
    for fine in ("tumour-slice", "diagnosis", "site"):
        judging.check_target(fine, found)
    with pytest.raises(SettingsError, match="site, diagnosis, age"):
        judging.check_target("diagnossis", found)
    judging.check_target("diagnosis", {"phantom001": {"columns": {}}})
