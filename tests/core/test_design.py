"""Which cells an experiment has, and which of them are delivered, averaged, counted or compared."""

import dataclasses
from pathlib import Path

import pytest
import yaml

from neurograft.core import design
from neurograft.core.config import SettingsError, resolve_config

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


def test_repeats_make_more_cells_of_the_folds_and_deliver_the_first_partition():
    made = dataclasses.replace(make_design(span(strategies=["scratch", "lp-ft"], splits=["folds", "sites"])), repeats=3)
    rows = make_rows(sites="AABB")
    cells = made.list_cells("segmentation", rows, strategy="lp-ft")
    assert [cell["fold"] for cell in cells if cell["split"] == "folds"] == list(range(6))
    assert [cell["fold"] for cell in cells if cell["split"] == "sites"] == [0, 1]
    assert [cell["fold"] for cell in made.list_delivered_cells(rows)] == [0, 1]
    delivered = [cell["fold"] for cell in cells if made.is_delivered(cell)]
    assert delivered == [0, 1] and made.count_trainings(rows)["segmentation"] == {"photos": 16}


def test_repeats_of_folds_that_nobody_asks_for_are_refused():
    known = {"photos": {"dimensions": "2"}}
    none, tested = span(strategies=[]), span(strategies=["lp-ft"], splits=["sites"]) | {"target": "diagnosis"}
    with pytest.raises(SettingsError, match="split_cohort.repeats is 2, and repeats the split 'folds'"):
        design.check_experiment({"segmentation": none, "classification": tested}, "lp-ft", known, repeats=2)
    tested["splits"].append("folds")
    design.check_experiment({"segmentation": none, "classification": tested}, "lp-ft", known, repeats=2)


@pytest.mark.parametrize(
    ("strategy", "delivered"), [("lp-ft", True), ("ensemble", True), ("scratch", False), ("dann", False)]
)
def test_of_a_delivered_ensemble_its_members_are_delivered(strategy, delivered):
    made = make_design(span(strategies=["lp-ft", "lora", "ensemble"]), delivered="ensemble")
    assert made.is_delivered({"strategy": strategy, "space": "MNI152", "split": "folds", "fold": "1"}) is delivered


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


ROOT = Path(__file__).parents[2]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def test_unfit_experiments_are_refused():
    asked = resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)["experiment"]
    known = {"efficientnet-lite0": {}}
    design.check_experiment(asked, "fine-tune", known)
    with pytest.raises(SettingsError, match="add it there"):
        design.check_experiment(asked, "frozen", known)
    with pytest.raises(SettingsError, match="sources.tsv has: other"):
        design.check_experiment(asked, "fine-tune", {"other": {}})
    with pytest.raises(SettingsError, match="'dann', whose networks were adapted to images of test patients"):
        design.check_experiment(asked, "dann", known)
    asked["segmentation"]["n"] = [2]
    with pytest.raises(SettingsError, match="needs 'all'"):
        design.check_experiment(asked, "fine-tune", known)


def test_a_variant_may_stand_where_a_strategy_stands():
    config = {"dataset": {"layout": "phantom"}, "variants": {"last-layers-2": {"method": "last-layers", "k": 2}}}
    config["experiment"] = {"segmentation": {"strategies": ["scratch", "last-layers-2"]}}
    config["deliver"] = {"strategy": "last-layers-2"}
    found = resolve_config(config, SCHEMA)
    design.check_variants(found["variants"])
    design.check_experiment(found["experiment"], "last-layers-2", {"efficientnet-lite0": {}})
    with pytest.raises(SettingsError, match="choose one of: .*last-layers-2"):
        resolve_config(config | {"deliver": {"strategy": "last-layers-3"}}, SCHEMA)


@pytest.mark.parametrize(
    ("variants", "says"),
    [
        ({"mine": {"method": "lora"}}, "name it lora-SOMETHING"),
        ({"lp-ft": {"method": "lp-ft"}}, "name it lp-ft-SOMETHING"),
        ({"frozen-random-2": {"method": "frozen"}}, "name it frozen-SOMETHING"),
        ({"fine-tune-2": {"method": "fine-tune", "k": 2}}, "has no parameter 'k'; it has encoder, top"),
        ({"lora-odd": {"method": "lora", "rank": 2.5}}, "rank is 2.5; it takes a whole number"),
    ],
)
def test_a_mistaken_variant_is_one_line(variants, says):
    with pytest.raises(SettingsError) as caught:
        design.check_variants(variants)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_further_arms_get_defaults_and_are_checked():
    also = [{"strategies": ["scratch"], "seeds": [1]}, {"strategies": ["scratch", "lp-ft"], "spaces": ["native"]}]
    wanted = {"strategies": ["scratch", "lp-ft"], "also": also}
    config = {"dataset": {"layout": "phantom"}, "experiment": {"segmentation": wanted}}
    asked = resolve_config(config, SCHEMA)["experiment"]
    arms = design.list_configured_arms(asked["segmentation"])
    common = {"source": "efficientnet-lite0", "split": "folds", "n": "all"}
    assert arms == [
        common | {"strategy": "scratch", "space": "template", "seed": 0},
        common | {"strategy": "lp-ft", "space": "template", "seed": 0},
        common | {"strategy": "scratch", "space": "template", "seed": 1},
        common | {"strategy": "scratch", "space": "native", "seed": 0},
        common | {"strategy": "lp-ft", "space": "native", "seed": 0},
    ]
    assert [list(arm) for arm in arms] == [list(design.SPANS)] * 5
    asked["segmentation"]["also"][0]["sources"] = ["photos"]
    assert design.list_sources(asked["segmentation"]) == ["efficientnet-lite0", "photos"]
    with pytest.raises(SettingsError, match="names 'photos'; sources.tsv has: efficientnet-lite0"):
        design.check_experiment(asked, "lp-ft", {"efficientnet-lite0": {}})
    wanted["also"] = [{"strategy": ["scratch"]}]
    with pytest.raises(SettingsError, match="did you mean 'strategies'"):
        resolve_config(config, SCHEMA)


def test_no_arm_is_listed_twice():
    span = {"sources": ["a"], "strategies": ["scratch"], "spaces": ["template"], "splits": ["folds"], "n": ["all"]}
    span["seeds"] = [0]
    assert len(design.list_configured_arms(span | {"also": [span, span | {"n": ["all", 2]}]})) == 2


def ensembles(*strategies, task="segmentation"):
    """An experiment of one source of slices, its ensemble among the strategies."""
    asked = resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)["experiment"]
    asked[task]["strategies"] = ["lp-ft", *strategies, "ensemble"]
    return asked


def test_an_ensemble_has_the_strategies_beside_it_but_controls_and_what_sees_test_images():
    others = ["scratch", "frozen-random", "supervoxels-plain", "supervoxels-random", "dann", "dann-soft", "lora-2"]
    arms = design.list_configured_arms(ensembles(*others)["segmentation"])
    arm = {"source": "efficientnet-lite0", "space": "template", "split": "folds", "n": "all", "seed": "0"}
    assert design.list_members(arms, arm) == ["lp-ft", "supervoxels-plain", "lora-2"]
    assert design.list_members(arms, arm | {"n": "2"}) == []


def test_an_ensemble_of_one_or_of_classes_is_refused():
    known = {"efficientnet-lite0": {"dimensions": "2"}}
    design.check_experiment(ensembles("supervoxels-plain"), "ensemble", known)
    with pytest.raises(SettingsError, match="at least two others beside it"):
        design.check_experiment(ensembles("scratch", "supervoxels-random"), "lp-ft", known)
    with pytest.raises(SettingsError, match="leave it out here"):
        design.check_experiment(ensembles(task="classification"), "lp-ft", known)


def test_masks_of_other_programs_are_arms_beside_the_strategies():
    """In the space of the verdict and the folds of the export, once, whatever else varies; nothing is trained."""
    asked = span(strategies=["scratch", "lp-ft", "ensemble"], spaces=["native", "template"], splits=["sites", "folds"])
    asked |= {"n": [2, "all"], "seeds": [7, 0], "external": {"nnunet": {"predictions": "masks"}}}
    made = make_design(asked)
    (arm,) = made.list_arms("segmentation", source="external")
    place = {"strategy": "nnunet", "space": "reference", "split": "folds", "n": "all", "seed": 7}
    assert arm == place | {"task": "segmentation", "source": "external"}
    cells = made.list_cells("segmentation", make_rows(), source="external")
    assert [cell["fold"] for cell in cells] == [0, 1]
    assert ("external", "nnunet") not in made.compared_arms
    ensemble = made.list_arms("segmentation", strategy="ensemble")[0]
    assert design.list_members(made.list_arms("segmentation"), ensemble) == ["lp-ft"]
    without = make_design({name: value for name, value in asked.items() if name != "external"})
    assert made.count_trainings(make_rows()) == without.count_trainings(make_rows())


def test_control_splits_have_cells_of_their_own_and_reach_no_comparison():
    asked = span(splits=["folds", "slices", "own", "folds-random-labels"])
    made = dataclasses.replace(make_design(classification=asked), repeats=2)
    rows = make_rows(4)
    cells = made.list_cells("classification", rows)
    assert [(cell["split"], cell["fold"]) for cell in cells if cell["split"] != "folds"] == [
        ("slices", 0),
        ("slices", 1),
        ("own", 0),
        ("folds-random-labels", 0),
        ("folds-random-labels", 1),
    ]
    assert {cell["split"] for cell in made.list_all_cells(rows)} == {"folds"}
    assert made.count_trainings(rows) == {"classification": {"photos": 9}}
    assert not any(made.is_delivered(cell) for cell in cells if cell["split"] != "folds")


def test_methods_without_a_network_leave_the_verdict_to_the_classification():
    methods = span(strategies=["supervoxels", "supervoxels-plain"])
    assert make_design(methods, span()).judged_task == "classification"
    assert make_design(methods).judged_task == "segmentation"
    assert make_design(span(), span()).judged_task == "segmentation"
