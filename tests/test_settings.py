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


def table(**changes):
    """Two sources of slices and one of volumes."""
    rows = {"photos": {"dimensions": "2", "licence": "MIT"}, "heads": {"dimensions": "3", "licence": "MIT"}}
    rows["mine"] = {"dimensions": "2", "licence": "Apache-2.0"} | changes
    return rows


@pytest.mark.parametrize("publish", [False, True])
def test_a_source_of_volumes_is_refused(publish):
    for task in ("segmentation", "classification"):
        with pytest.raises(settings.SettingsError, match="is a 3-D source; .*choose from photos, mine$") as caught:
            settings.check_sources({task: {"sources": ["photos", "heads"]}}, table(), publish)
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
    experiment = {"segmentation": {"sources": ["photos", "mine"]}}
    settings.check_sources(experiment, table(licence=licence), publish=False)
    with pytest.raises(settings.SettingsError, match=says) as caught:
        settings.check_sources(experiment, table(licence=licence), publish=True)
    assert f"'mine', whose licence {licence}" in str(caught.value) and "\n" not in str(caught.value)


def test_a_source_made_from_another_inherits_what_its_licence_forbids():
    made = {"dimensions": "2", "licence": "mine", "location": "rule:masked/mine", "sha256": "made-here"}
    rows = table(name="mine", licence="CC-BY-NC-4.0") | {"made": made}
    settings.check_sources({"segmentation": {"sources": ["made"]}}, rows, publish=False)
    with pytest.raises(settings.SettingsError, match="names 'made', made from mine, whose licence CC-BY-NC-4.0"):
        settings.check_sources({"segmentation": {"sources": ["made"]}}, rows, publish=True)


@pytest.mark.parametrize("licence", ["Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "NCSA", "Android"])
def test_a_free_licence_may_be_published(licence):
    settings.check_sources({"segmentation": {"sources": ["mine"]}}, table(licence=licence), publish=True)


def test_an_unknown_target_is_named_with_the_columns_there_are():
    found = {"X": {"columns": {"diagnosis": "glioma", "age": "50"}}}
    for fine in ("tumour-slice", "diagnosis", "site"):
        settings.check_target(fine, found)
    with pytest.raises(settings.SettingsError, match="site, diagnosis, age"):
        settings.check_target("diagnossis", found)
    settings.check_target("diagnosis", {"phantom001": {"columns": {}}})


def _objects(schema, path=()):
    """Walk every object of the schema."""
    if schema.get("type") == "object":
        yield path, schema
    for key, inner in schema.get("properties", {}).items():
        yield from _objects(inner, (*path, key))


def test_every_object_is_closed_and_every_key_is_explained():
    for path, block in _objects(SCHEMA):
        assert block["additionalProperties"] is False, path
        for key, inner in block["properties"].items():
            assert inner.get("description"), (path, key)
            assert "default" in inner or key in block.get("required", []), (path, key)


def _leaves(schema, path=()):
    """Walk every key that holds a value."""
    for key, inner in schema["properties"].items():
        if inner.get("type") == "object":
            yield from _leaves(inner, (*path, key))
        else:
            yield ".".join((*path, key)), inner


def test_config_readme_names_every_key_with_its_default_and_meaning():
    text = (ROOT / "config/README.md").read_text()
    lines = {line.split("`")[1]: line for line in text.splitlines() if line.startswith("| `")}
    for key, inner in _leaves(SCHEMA):
        assert inner["description"] in lines.pop(key)
    assert not lines, "keys that the schema does not have"
