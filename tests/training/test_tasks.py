"""What depends on the task: whose labels are learnt, and which slices a part of a subject has."""

from collections import Counter

import pytest

from neurograft.cohort import splits
from neurograft.training import tasks


def test_random_labels_are_the_labels_of_other_patients():
    names = [f"p{number}" for number in range(20)]
    truths = {name: "AB"[number % 4 == 0] for number, name in enumerate(names)}
    truths["twin"] = truths["p0"]
    patients = {name: name for name in names} | {"twin": "p0"}
    task = {"target": "grade", "classes": ["A", "B"], "subjects": [*names, "twin"], "patients": patients}
    dealt = tasks.permute_labels(task, truths, [0, 1])
    assert Counter(dealt[name] for name in names) == Counter(truths[name] for name in names)
    assert dealt["twin"] == dealt["p0"] and dealt != truths
    assert tasks.permute_labels(task, truths, [0, 1]) == dealt != tasks.permute_labels(task, truths, [0, 2])


def test_random_labels_of_slices_are_one_a_patient_in_equal_numbers():
    names = [f"p{number}" for number in range(10)]
    classes = ["tumour-free", "tumour"]
    task = {"target": splits.SLICE_TARGET, "classes": classes, "subjects": names, "patients": dict(zip(names, names))}
    assert Counter(tasks.permute_labels(task, {}, [0]).values()) == {"tumour-free": 5, "tumour": 5}


@pytest.fixture
def classify(cell_cohort):
    """Open the classification of the small cohort in a split."""
    slices, split = cell_cohort
    task = split["tasks"]["classification"]
    parts = [f"{name}:{part}" for name in task["subjects"] for part in range(2)]
    task = task | {"slices": [{"test": parts[k::2], "train": parts[1 - k :: 2]} for k in range(2)]}
    split = split | {"tasks": split["tasks"] | {"classification": task}}

    def opened(kind, **changes):
        asked = split | {"tasks": split["tasks"] | {"classification": task | changes}}
        truths = {name: "tumour" if name in ("p0", "p1") else "tumour-free" for name in task["subjects"]}
        cell = {"task": "classification", "split": kind, "seed": 0}
        return tasks.open_task(asked, cell, tasks.SubjectFiles(slices, truths))

    return opened


def test_a_part_has_slices_that_no_other_part_has(classify):
    task = classify("slices")
    whole, first, second = (task.read(name) for name in ("p1", "p1:0", "p1:1"))
    assert not whole["pooled"]
    assert sorted([*first["usable"], *second["usable"]]) == whole["usable"].tolist()
    # two patients are not divided alike
    assert any(task.read(f"p{k}:0")["usable"].tolist() != first["usable"].tolist() for k in (0, 2, 3, 4))


def test_slices_with_random_labels_have_one_class_a_patient(classify):
    for kind in ("slices-random-labels", "folds-random-labels"):
        task = classify(kind)
        classes = [set(task.read(f"p{k}")["classes"].tolist()) for k in range(5)]
        assert all(len(each) == 1 for each in classes) and len(set.union(*classes)) == 2
        assert not task.read("p0")["pooled"]


def test_the_unit_of_a_column_is_the_patient_unless_slices_are_asked_for(classify):
    assert classify("folds", target="grade").read("p0")["pooled"]
    assert not classify("folds", target="grade", unit="slice").read("p0")["pooled"]
