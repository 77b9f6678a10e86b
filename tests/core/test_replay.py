"""Where control splits may stand, and which cells are shown beside each other."""

from pathlib import Path

import pytest
import yaml
from snakemake.utils import update_config

from neurograft.core.config import SettingsError, fit_layout, resolve_config
from neurograft.core.design import check_experiment, list_configured_arms
from neurograft.core.replay import check_controls, check_own, choose_replayed

ROOT = Path(__file__).parents[2]
EXAMPLES = [path for path in sorted((ROOT / "config/examples").glob("replay_*.yaml")) if "offline" not in path.name]


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


def test_a_division_of_its_own_takes_a_dataset_that_has_one():
    divided = {"a": {"columns": {"part": "train"}}, "b": {"columns": {"part": "test"}}}
    whole = {"a": {"columns": {"part": "train"}}, "b": {"columns": {}}}
    check_own(task("folds", "own"), divided)
    check_own(task("folds", "slices"), whole)
    for asked in (task("folds", "own"), task("folds") | {"also": [task("folds", "own")]}):
        with pytest.raises(SettingsError, match="'own' takes a dataset that is divided"):
            check_own(asked, whole)


def test_the_same_arms_by_patient_are_shown_beside_the_controls():
    cells = [arm("folds"), arm("folds", "scratch"), arm("slices"), arm("sites"), arm("folds-random-labels")]
    assert choose_replayed(cells) == [cells[0], cells[2], cells[4]]
    assert choose_replayed(cells[:2]) == []


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.parametrize("offline", [False, True])
def test_an_example_has_the_published_network_unless_it_is_offline(path, offline):
    given = yaml.safe_load(path.read_text())
    if offline:
        update_config(given, yaml.safe_load((ROOT / "config/examples/replay_offline.yaml").read_text()))
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())
    config = fit_layout(resolve_config(given, schema), given)
    networks = {"efficientnet-lite0"} | (set() if offline else {"vgg19" if "ahuja" in path.name else "alexnet"})
    rows = {name: {"dimensions": "2"} for name in networks}
    check_experiment(config["experiment"], config["deliver"]["strategy"], rows)
    arms = list_configured_arms(config["experiment"]["classification"])
    assert {arm["source"] for arm in arms} == networks
    splits = {"folds", "slices", "slices-random-labels", "folds-random-labels"}
    assert {arm["split"] for arm in arms if arm["strategy"] == "fine-tune"} >= splits
    assert {"scratch", "frozen-random", "fine-tune"} == {arm["strategy"] for arm in arms}
