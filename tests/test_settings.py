"""A config gets every default, and every mistake gets one line."""

from pathlib import Path

import pytest
import yaml

from neurograft import settings

ROOT = Path(__file__).parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def test_minimal_config_gets_every_default():
    config = settings.resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)
    assert config["split_cohort"]["folds"] == 5
    assert config["experiment"]["classification"]["target"] == "tumour-slice"


def test_input_is_not_changed():
    given = {"dataset": {"layout": "phantom"}}
    settings.resolve_config(given, SCHEMA)
    assert given == {"dataset": {"layout": "phantom"}}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"train_network": {"stepps": 3}}, "did you mean 'steps'?"),
        ({"datasett": {}}, "did you mean 'dataset'?"),
        ({"strip_skull": {"engine": "bet"}}, "choose one of: deepbet"),
        ({"split_cohort": {"folds": 1}}, "split_cohort.folds"),
        ({"experiment": {"segmentation": {"strategies": ["magic"]}}}, "choose one of: scratch"),
    ],
)
def test_mistakes_are_one_line(change, says):
    with pytest.raises(settings.SettingsError, match=".") as caught:
        settings.resolve_config({"dataset": {"layout": "phantom"}} | change, SCHEMA)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unfit_experiments_are_refused():
    experiment = settings.resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)["experiment"]
    known = {"efficientnet-lite0": {}}
    settings.check_experiment(experiment, "lp-ft", known)
    with pytest.raises(settings.SettingsError, match="add it there"):
        settings.check_experiment(experiment, "frozen", known)
    with pytest.raises(settings.SettingsError, match="sources.tsv has: other"):
        settings.check_experiment(experiment, "lp-ft", {"other": {}})
    with pytest.raises(settings.SettingsError, match="'dann', whose networks were adapted to images of test patients"):
        settings.check_experiment(experiment, "dann", known)
    experiment["segmentation"]["n"] = [2]
    with pytest.raises(settings.SettingsError, match="needs 'all'"):
        settings.check_experiment(experiment, "lp-ft", known)


def fit(**blocks):
    """The config of a set of pictures, as the workflow makes it."""
    given = {"dataset": {"layout": "images"}} | blocks
    return settings.fit_layout(settings.resolve_config(given, SCHEMA), given)


def test_pictures_are_classified_by_folder_and_nothing_else():
    config = fit()
    assert config["experiment"]["segmentation"]["strategies"] == []
    assert config["experiment"]["classification"]["target"] == "class"
    assert config["register_scans"]["template"] == "none"
    assert "patients" not in config["report"]["title"] and fit(report={"title": "Mine"})["report"]["title"] == "Mine"
    settings.check_experiment(config["experiment"], config["deliver"]["strategy"], {"efficientnet-lite0": {}})
    assert fit(experiment={"classification": {"target": "grade"}})["experiment"]["classification"]["target"] == "grade"
    scans = settings.resolve_config({"dataset": {"layout": "bids"}}, SCHEMA)
    assert settings.fit_layout(scans, {"dataset": {"layout": "bids"}}) == scans


@pytest.mark.parametrize(
    ("experiment", "says"),
    [
        ({"segmentation": {"strategies": ["scratch"]}}, "no outlines of tumours"),
        ({"classification": {"target": "tumour-slice"}}, "made from outlines"),
        ({"classification": {"splits": ["folds", "sites"]}}, "folds only"),
    ],
)
def test_what_pictures_cannot_have_is_refused_where_it_is_asked_for(experiment, says):
    with pytest.raises(settings.SettingsError, match=says) as caught:
        fit(experiment=experiment)
    assert "\n" not in str(caught.value)
    assert fit(experiment={"segmentation": {"strategies": []}})


def table(**changes):
    """Two sources of slices and one of volumes."""
    rows = {"photos": {"dimensions": "2", "licence": "MIT"}, "heads": {"dimensions": "3", "licence": "MIT"}}
    rows["mine"] = {"dimensions": "2", "licence": "Apache-2.0"} | changes
    return rows


@pytest.mark.parametrize("publish", [False, True])
def test_a_source_of_volumes_is_refused(publish):
    for task in ("segmentation", "classification"):
        with pytest.raises(settings.SettingsError, match="is a 3-D source; .*choose from photos, mine$") as caught:
            settings.check_sources({task: {"sources": ["photos", "heads"], "also": []}}, table(), publish)
        assert f"experiment.{task}.sources names 'heads'" in str(caught.value)


@pytest.mark.parametrize(
    "licence,says",
    [
        ("CC-BY-ND-4.0", "derived"),
        ("CC-BY-NC-ND-4.0", "derived"),
        ("Creative Commons, no derivatives", "derived"),
        ("CC-BY-NC-SA-4.0", "commercial"),
        ("cc by-nc 4.0", "commercial"),
        ("non-commercial use", "commercial"),
        ("for research only", "beyond research"),
    ],
)
def test_a_licence_that_forbids_sharing_bars_publishing_only(licence, says):
    experiment = {"segmentation": {"sources": ["photos", "mine"], "also": []}}
    settings.check_sources(experiment, table(licence=licence), publish=False)
    with pytest.raises(settings.SettingsError, match=says) as caught:
        settings.check_sources(experiment, table(licence=licence), publish=True)
    assert f"'mine', whose licence {licence}" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("licence", ["Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "NCSA", "Android"])
def test_a_free_licence_may_be_published(licence):
    settings.check_sources({"segmentation": {"sources": ["mine"], "also": []}}, table(licence=licence), publish=True)


def test_an_unknown_target_is_named_with_the_columns_there_are():
    found = {"X": {"columns": {"diagnosis": "glioma", "age": "50"}}}
    for fine in ("tumour-slice", "diagnosis", "site"):
        settings.check_target(fine, found)
    with pytest.raises(settings.SettingsError, match="site, diagnosis, age"):
        settings.check_target("diagnossis", found)
    settings.check_target("diagnosis", {"phantom001": {"columns": {}}})


def test_a_variant_may_stand_where_a_strategy_stands():
    config = {"dataset": {"layout": "phantom"}, "variants": {"last-layers-2": {"method": "last-layers", "k": 2}}}
    config["experiment"] = {"segmentation": {"strategies": ["scratch", "last-layers-2"]}}
    config["deliver"] = {"strategy": "last-layers-2"}
    found = settings.resolve_config(config, SCHEMA)
    settings.check_variants(found["variants"])
    settings.check_experiment(found["experiment"], "last-layers-2", {"efficientnet-lite0": {}})
    with pytest.raises(settings.SettingsError, match="choose one of: .*last-layers-2"):
        settings.resolve_config(config | {"deliver": {"strategy": "last-layers-3"}}, SCHEMA)


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
    with pytest.raises(settings.SettingsError) as caught:
        settings.check_variants(variants)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_variant_stands_for_its_strategy():
    assert settings.base_strategy("coral-strong") == "coral"
    assert settings.base_strategy("frozen-random") == "frozen-random"
    assert settings.base_strategy("frozen-slow") == "frozen"
    assert settings.base_strategy("zebra") == "zebra"


def test_further_arms_get_defaults_and_are_checked():
    also = [{"strategies": ["scratch"], "seeds": [1]}, {"strategies": ["scratch", "lp-ft"], "spaces": ["native"]}]
    wanted = {"strategies": ["scratch", "lp-ft"], "also": also}
    config = {"dataset": {"layout": "phantom"}, "experiment": {"segmentation": wanted}}
    experiment = settings.resolve_config(config, SCHEMA)["experiment"]
    arms = settings.list_arms(experiment["segmentation"])
    common = {"source": "efficientnet-lite0", "split": "folds", "n": "all"}
    assert arms == [
        common | {"strategy": "scratch", "space": "template", "seed": 0},
        common | {"strategy": "lp-ft", "space": "template", "seed": 0},
        common | {"strategy": "scratch", "space": "template", "seed": 1},
        common | {"strategy": "scratch", "space": "native", "seed": 0},
        common | {"strategy": "lp-ft", "space": "native", "seed": 0},
    ]
    assert [list(arm) for arm in arms] == [list(settings.SPANS)] * 5
    experiment["segmentation"]["also"][0]["sources"] = ["photos"]
    assert settings.list_sources(experiment["segmentation"]) == ["efficientnet-lite0", "photos"]
    with pytest.raises(settings.SettingsError, match="names 'photos'; sources.tsv has: efficientnet-lite0"):
        settings.check_experiment(experiment, "lp-ft", {"efficientnet-lite0": {}})
    wanted["also"] = [{"strategy": ["scratch"]}]
    with pytest.raises(settings.SettingsError, match="did you mean 'strategies'"):
        settings.resolve_config(config, SCHEMA)


def test_no_arm_is_listed_twice():
    span = {"sources": ["a"], "strategies": ["scratch"], "spaces": ["template"], "splits": ["folds"], "n": ["all"]}
    span["seeds"] = [0]
    assert len(settings.list_arms(span | {"also": [span, span | {"n": ["all", 2]}]})) == 2


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


def _leaves(schema, path=()):
    """Walk every key that holds a value."""
    for key, inner in schema["properties"].items():
        if "properties" in inner:
            yield from _leaves(inner, (*path, key))
        else:
            yield ".".join((*path, key)), inner


def test_config_readme_names_every_key_with_its_default_and_meaning():
    text = (ROOT / "config/README.md").read_text()
    lines = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for key, inner in _leaves(SCHEMA):
        assert inner["description"] in lines.pop(key)
    assert not lines, "keys that the schema does not have"
