"""Which cells an experiment has, and which of them are delivered, averaged, counted or compared."""

import pytest

from neurograft import design

SPACES = {"template": "MNI152", "native": "reference"}


def span(**changes):
    """One task's block of the config: a single arm, with changes."""
    lists = {"sources": ["photos"], "strategies": ["scratch"], "spaces": ["template"], "splits": ["folds"]}
    return lists | {"n": ["all"], "seeds": [0], "also": []} | changes


def make_design(segmentation=None, classification=None, delivered="lp-ft", spaces=SPACES):
    """A design of two folds; a task that is left out has no strategies."""
    nothing = span(strategies=[])
    tasks = {"segmentation": segmentation or nothing, "classification": classification or nothing}
    tasks["classification"] = {"target": "tumour-slice"} | tasks["classification"]
    return design.Design(tasks, spaces, 2, delivered)


def make_rows(labels=4, sites="      "):
    """Rows of subjects that are in, a letter of `sites` each, a blank for none; the first ones have labels."""
    return [
        {"participant_id": f"P{at}", "labels": "true" if at < labels else "false", "site": site.strip()}
        for at, site in enumerate(sites)
    ]


def test_only_the_subjects_that_are_in_are_kept():
    rows = [{"participant_id": "A", "included": "true"}, {"participant_id": "B", "included": "false"}]
    assert design.keep_included(rows) == rows[:1]


def test_an_arm_names_its_task_and_the_space_that_files_are_named_by():
    arms = make_design(span(spaces=["template", "native"])).list_arms("segmentation")
    common = {
        "task": "segmentation",
        "source": "photos",
        "strategy": "scratch",
        "split": "folds",
        "n": "all",
        "seed": 0,
    }
    assert arms == [common | {"space": "MNI152"}, common | {"space": "reference"}]


def test_without_a_template_both_spaces_are_one():
    spaces = {"template": "reference", "native": "reference"}
    made = make_design(span(strategies=["scratch", "lp-ft"], spaces=["template", "native"]), spaces=spaces)
    assert [(arm["strategy"], arm["space"]) for arm in made.list_arms("segmentation")] == [
        ("scratch", "reference"),
        ("lp-ft", "reference"),
    ]
    assert made.scored_spaces == ["reference"]


def test_arms_can_be_narrowed_to_what_is_fixed():
    made = make_design(span(strategies=["scratch", "lp-ft"], seeds=[0, 1]))
    assert len(made.list_arms("segmentation")) == 4
    assert [arm["seed"] for arm in made.list_arms("segmentation", strategy="lp-ft")] == [0, 1]
    assert made.list_arms("segmentation", strategy="frozen") == []


def test_segmentation_learns_from_labels_and_classification_from_its_target():
    rows = make_rows(labels=2)
    for at, grade in enumerate(("low", "", "n/a", "high")):
        rows[at]["grade"] = grade
    made = make_design(classification={"target": "grade"} | span())
    assert [row["participant_id"] for row in made.list_answered("segmentation", rows)] == ["P0", "P1"]
    assert [row["participant_id"] for row in made.list_answered("classification", rows)] == ["P0", "P3"]
    # slices with tumour are told by labels
    assert len(make_design(classification=span()).list_answered("classification", rows)) == 2


@pytest.mark.parametrize(
    ("split", "sites", "folds"),
    [("folds", "AABB", 2), ("sites", "AABC", 3), ("sites", "AAAA", 0), ("sites", "A A ", 0), ("between", "AABB", 1)],
)
def test_a_split_has_so_many_folds(split, sites, folds):
    assert make_design().count_folds(split, make_rows(sites=sites)) == folds


def test_a_cell_is_an_arm_in_a_fold():
    made = make_design(span(strategies=["scratch", "lp-ft"]))
    cells = made.list_cells("segmentation", make_rows())
    assert [(cell["strategy"], cell["fold"]) for cell in cells] == [
        ("scratch", 0),
        ("scratch", 1),
        ("lp-ft", 0),
        ("lp-ft", 1),
    ]
    # what a rule's path is formatted with
    assert set(cells[0]) == {"task", "source", "strategy", "space", "split", "n", "fold", "seed"}


def test_sites_are_counted_among_those_who_have_an_answer():
    made = make_design(span(splits=["folds", "sites"]))
    rows = make_rows(labels=4, sites="AABBCC")
    assert [(cell["split"], cell["fold"]) for cell in made.list_cells("segmentation", rows)] == [
        ("folds", 0),
        ("folds", 1),
        ("sites", 0),
        ("sites", 1),
    ]


def test_fewer_subjects_than_folds_have_no_cells():
    made = make_design(span(strategies=["lp-ft"]))
    assert len(made.list_cells("segmentation", make_rows(labels=2))) == 2
    assert made.list_cells("segmentation", make_rows(labels=1)) == []
    assert made.list_all_cells([]) == made.list_delivered_cells([]) == []
    assert made.count_trainings([]) == {"segmentation": {"photos": 0}}


def test_all_cells_are_those_of_both_tasks():
    made = make_design(span(strategies=["scratch", "lp-ft"]), span())
    cells = made.list_all_cells(make_rows())
    assert [cell["task"] for cell in cells] == ["segmentation"] * 4 + ["classification"] * 2


def test_what_is_delivered_is_every_fold_of_one_arm():
    asked = span(strategies=["scratch", "lp-ft"], sources=["photos", "heads"], spaces=["native", "template"])
    asked |= {"n": [2, "all"], "seeds": [7, 0], "splits": ["sites", "folds"]}
    made = make_design(asked)
    cells = made.list_delivered_cells(make_rows(sites="AABB"))
    arm = {"task": "segmentation", "source": "photos", "strategy": "lp-ft", "space": "MNI152", "split": "folds"}
    assert cells == [arm | {"n": "all", "seed": 7, "fold": fold} for fold in range(2)]
    assert all(made.is_delivered(cell) for cell in cells)
    # of other sources, sizes and seeds too: the rule asks by strategy, space and split alone
    assert not made.is_delivered(cells[0] | {"space": "reference"})
    assert not made.is_delivered(cells[0] | {"split": "sites"})
    assert not made.is_delivered(cells[0] | {"strategy": "scratch"})


@pytest.mark.parametrize(
    ("strategy", "delivered"), [("lp-ft", True), ("ensemble", True), ("scratch", False), ("dann", False)]
)
def test_of_a_delivered_ensemble_its_members_are_delivered(strategy, delivered):
    made = make_design(span(strategies=["lp-ft", "lora", "ensemble"]), delivered="ensemble")
    assert made.is_delivered({"strategy": strategy, "space": "MNI152", "split": "folds"}) is delivered


def test_an_ensemble_averages_its_own_fold_of_the_strategies_beside_it():
    asked = span(strategies=["scratch", "lp-ft", "supervoxels", "ensemble"])
    made = make_design(asked | {"also": [span(strategies=["lora"], seeds=[1])]})
    # a job's wildcards are text
    own = {"source": "photos", "space": "MNI152", "split": "folds", "n": "all", "fold": "1", "seed": "0"}
    expected = [own | {"task": "segmentation", "strategy": name} for name in ("lp-ft", "supervoxels")]
    assert made.list_member_cells(own) == expected


def test_trainings_are_counted_by_source_without_what_trains_no_network():
    asked = span(strategies=["lp-ft", "supervoxels", "ensemble"], also=[span(sources=["heads"], seeds=[0, 1])])
    made = make_design(asked)
    # two folds of one strategy; two folds of two seeds; classification has no strategies
    assert made.count_trainings(make_rows()) == {"segmentation": {"photos": 2, "heads": 4}}


def test_the_verdict_is_about_the_space_and_split_named_first():
    both = span(spaces=["native", "template"], splits=["sites", "folds"])
    assert make_design(both, span()).primary == {"space": "reference", "split": "sites"}
    assert make_design(None, both).primary == {"space": "reference", "split": "sites"}


def test_compared_are_transferred_networks_at_the_largest_size_in_the_primary_space():
    strategies = ["scratch", "frozen-random", "lp-ft", "supervoxels", "ensemble"]
    asked = span(strategies=strategies, n=[2, "all"], spaces=["template", "native"])
    also = [span(strategies=["lora"], sources=["heads"]), span(strategies=["dann"], spaces=["native"])]
    assert make_design(asked | {"also": also}).compared_arms == [("photos", "lp-ft"), ("heads", "lora")]
