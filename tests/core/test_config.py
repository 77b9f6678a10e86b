"""A config gets every default, and every mistake gets one line."""

from pathlib import Path

import pytest
import yaml

from neurograft.core import design, strategies
from neurograft.core.config import SettingsError, fit_layout, resolve_config

ROOT = Path(__file__).parents[2]

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def test_minimal_config_gets_every_default():
    config = resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)
    assert config["split_cohort"]["folds"] == 5
    assert config["experiment"]["classification"]["target"] == "tumour-slice"


def test_input_is_not_changed():
    given = {"dataset": {"layout": "phantom"}}
    resolve_config(given, SCHEMA)
    assert given == {"dataset": {"layout": "phantom"}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"train_network": {"stepps": 3}}, "did you mean 'steps'?"),
        ({"datasett": {}}, "did you mean 'dataset'?"),
        ({"strip_skull": {"engine": "bet"}}, "choose one of: deepbet"),
        ({"split_cohort": {"folds": 1}}, "split_cohort.folds"),
        ({"split_cohort": {"repeats": 0}}, "split_cohort.repeats"),
        ({"seed": 1.0}, "seed: 1.0 is not of type 'integer'"),
        ({"split_cohort": {"folds": 5.0}}, "split_cohort.folds"),
        ({"train_network": {"auto": {"held_back": float("nan")}}}, "train_network.auto.held_back"),
        ({"register_scans": {"spacing": float("nan")}}, "register_scans.spacing"),
        ({"register_scans": {"spacing": float("inf")}}, "register_scans.spacing"),
        ({"register_scans": {"spacing": True}}, "register_scans.spacing"),
        ({"experiment": {"segmentation": {"strategies": ["magic"]}}}, "choose one of: scratch"),
    ],
)
def test_mistakes_are_one_line(change, says):
    with pytest.raises(SettingsError, match=".") as caught:
        resolve_config({"dataset": {"layout": "phantom"}} | change, SCHEMA)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def fit(**blocks):
    """The config of a set of pictures, as the workflow makes it."""
    given = {"dataset": {"layout": "images"}} | blocks
    return fit_layout(resolve_config(given, SCHEMA), given)


@pytest.mark.parametrize(
    ("experiment", "says"),
    [
        ({"segmentation": {"strategies": ["scratch"]}}, "no outlines of tumours"),
        ({"classification": {"target": "tumour-slice"}}, "made from outlines"),
        ({"classification": {"splits": ["folds", "sites"]}}, "folds only"),
    ],
)
def test_what_pictures_cannot_have_is_refused_where_it_is_asked_for(experiment, says):
    with pytest.raises(SettingsError, match=says) as caught:
        fit(experiment=experiment)
    assert "\n" not in str(caught.value)
    assert fit(experiment={"segmentation": {"strategies": []}})


def test_pictures_are_not_mapped_by_landmarks():
    with pytest.raises(SettingsError, match="has only pictures; leave it out"):
        fit(normalize_intensity={"method": "nyul"})


def test_a_variant_stands_for_its_strategy():
    assert strategies.base_strategy("coral-strong") == "coral"
    assert strategies.base_strategy("frozen-random") == "frozen-random"
    assert strategies.base_strategy("frozen-slow") == "frozen"
    assert strategies.base_strategy("zebra") == "zebra"


def _objects(schema, path=()):
    """Walk every object of the schema."""
    if schema.get("type") == "object":
        yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from _objects(inner, (*path, key))


def test_every_object_is_closed_and_every_key_is_explained():
    for path, block in _objects(SCHEMA):
        if "properties" not in block:  # names that the user gives
            assert "propertyNames" in block, path
            continue
        assert block["additionalProperties"] is False, path
        for key, inner in block["properties"].items():
            assert inner.get("description"), (path, key)
            assert "default" in inner or key in block.get("required", []), (path, key)


def test_pictures_are_classified_by_folder_and_nothing_else():
    config = fit()
    assert config["experiment"]["segmentation"]["strategies"] == []
    assert config["experiment"]["classification"]["target"] == "class"
    assert config["register_scans"]["template"] == "none"
    assert "patients" not in config["report"]["title"] and fit(report={"title": "Mine"})["report"]["title"] == "Mine"
    design.check_experiment(config["experiment"], config["deliver"]["strategy"], {"efficientnet-lite0": {}})
    assert fit(experiment={"classification": {"target": "grade"}})["experiment"]["classification"]["target"] == "grade"
    scans = resolve_config({"dataset": {"layout": "bids"}}, SCHEMA)
    assert fit_layout(scans, {"dataset": {"layout": "bids"}}) == scans
