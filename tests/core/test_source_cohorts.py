"""What a config says of other cohorts as sources, and every mistake in it as one line."""

from pathlib import Path

import pytest
import yaml

from neurograft.core import source_cohorts
from neurograft.core.config import SettingsError, resolve_config

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml").read_text())
NEAR = {"layout": "brats", "root": "near"}
PICTURES = {"layout": "images", "root": "near", "sequences": ["t1", "flair"]}


def config(**changes):
    """A config that learns from the cohort `near`, as the user wrote it."""
    return {"dataset": {"layout": "brats", "root": "mine"}, "cohorts": {"near": {"dataset": NEAR}}} | changes


def segment(*names, **changes):
    """A complete config with some sources."""
    also = [{"sources": list(names), "strategies": ["frozen"]}]
    experiment = {"segmentation": {"sources": list(names), "also": also}}
    return resolve_config(config(experiment=experiment, recommend={"sources": list(names)}, **changes), SCHEMA)


def test_a_cohort_has_the_defaults_of_the_schema_and_they_are_those_that_its_description_names():
    near = resolve_config(config(), SCHEMA)["cohorts"]["near"]
    assert near == {
        "dataset": NEAR, "start": "efficientnet-lite0", "strategy": "fine-tune", "steps": 400, "licence": "",
    }  # fmt: skip
    words = SCHEMA["properties"]["cohorts"]["description"]
    assert all(str(near[key]) in words for key in ("start", "strategy", "steps"))


def test_sources_are_named_as_files_can_be_and_the_config_is_not_changed():
    before = segment("efficientnet-lite0", "cohort:near")
    named = source_cohorts.name_sources(before)
    wanted, names = named["experiment"]["segmentation"], ["efficientnet-lite0", "cohort-near"]
    assert wanted["sources"] == wanted["also"][0]["sources"] == named["recommend"]["sources"] == names
    assert before["experiment"]["segmentation"]["sources"][1] == "cohort:near"


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("cohort:far", {}, "names 'cohort:far', and the block cohorts has near: say there where its scans are"),
        ("cohort:near", {"cohorts": {}}, "the block cohorts has none"),
        ("cohort:", {}, "names 'cohort:'"),
        ("cohort:near", {"dataset": {"layout": "images", "root": "x"}}, "single pictures has no masks"),
    ],
)
def test_a_source_without_a_cohort_is_told_where_to_name_it(name, changes, says):
    with pytest.raises(SettingsError) as caught:
        source_cohorts.name_sources(segment(name, **changes))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["l gg", "l-gg", "../x", "1st", "ä", ""])
def test_names_with_strange_letters_are_refused(name):
    with pytest.raises(SettingsError, match="cannot be a name; take letters and digits"):
        resolve_config(config(cohorts={name: {"dataset": NEAR}}), SCHEMA)


@pytest.mark.parametrize(
    ("block", "says"),
    [
        ({}, "'dataset' is a required property"),
        ({"dataset": {"root": "x"}}, "'layout' is a required property"),
        ({"dataset": NEAR, "stepps": 3}, "did you mean 'steps'"),
        ({"dataset": NEAR, "strategy": "frozen"}, "choose one of: fine-tune, lp-ft, scratch"),
        (None, "is not of type 'object'"),
    ],
)
def test_a_block_with_a_mistake_is_told_at_its_place(block, says):
    with pytest.raises(SettingsError, match="cohorts") as caught:
        resolve_config(config(cohorts={"near": block}), SCHEMA)
    assert says in str(caught.value)


def test_a_cohort_is_prepared_as_the_target_is_unless_its_block_says_otherwise():
    given = config(
        register_scans={"spacing": 1.5, "engine": "ants"},
        import_scans={"labels": "brats2018", "reference": ["t1"]},
        normalize_intensity={"method": "zscore"},
        train_network={"steps": 7},
    )
    given["cohorts"]["near"] |= {"register_scans": {"engine": "greedy"}, "strip_skull": {"engine": "robex"}}
    made = source_cohorts.write_config("near", given)
    assert made["register_scans"] == {"spacing": 1.5, "engine": "greedy"}
    assert made["strip_skull"] == {"engine": "robex"} and made["normalize_intensity"] == {"method": "zscore"}
    # what the values of labels mean is each cohort's own matter
    assert made["import_scans"] == {"reference": ["t1"]}
    assert made["dataset"] == NEAR and "train_network" not in made and "cohorts" not in made
    assert not made["experiment"]["segmentation"]["strategies"]


@pytest.mark.parametrize("dataset", [PICTURES, NEAR])
def test_what_is_taken_as_it_is_has_no_template(dataset):
    given = config(register_scans={"template": "MNI152", "spacing": 2.0}, strip_skull={"engine": "deepbet"})
    given["cohorts"]["near"] = {"dataset": dataset} | ({"strip_skull": {"engine": "none"}} if dataset is NEAR else {})
    made = source_cohorts.write_config("near", given)
    assert made["register_scans"] == {"template": "none", "spacing": 2.0}
    assert resolve_config(made, SCHEMA)


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        ({"layout": "phantom"}, "is self-simulated"),
        ({"layout": "eeg"}, "has no scans to segment"),
        ({"layout": "images", "root": "x"}, "single pictures have no masks"),
    ],
)
def test_layouts_without_outlines_are_refused(dataset, says):
    with pytest.raises(SettingsError, match=r"cohorts\.near\.dataset.*" + says):
        source_cohorts.write_config("near", config(cohorts={"near": {"dataset": dataset}}))


def test_the_dataset_itself_is_no_other_cohort(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    own = {"root": [str(tmp_path / "mine"), str(tmp_path / "more")]}
    for root in (str(tmp_path / "mine"), f"{tmp_path}/mine/", str(tmp_path / "link"), [str(tmp_path / "more")]):
        with pytest.raises(SettingsError, match=r"cohorts\.near\.dataset is the dataset itself"):
            source_cohorts.check_apart("near", {"root": root}, own)
    source_cohorts.check_apart("near", {"root": str(tmp_path / "other")}, own)
    # a table of pictures has no root
    source_cohorts.check_apart("near", {"root": "", "pictures": {"table": "a.tsv"}}, {"root": "", "pictures": {}})


def subjects(*kinds):
    return {"a": {"files": dict.fromkeys(kinds, "x")}, "b": {"files": {}}}


def test_a_cohort_without_labels_or_without_a_common_sequence_is_refused():
    own = subjects("t1c", "flair", "labels")
    with pytest.raises(SettingsError, match="none of its 2 subjects has labels"):
        source_cohorts.check_patients("near", subjects("t1"), own, "auto")
    with pytest.raises(SettingsError, match="near has mri, and the networks of this dataset take flair, t1c: no seq"):
        source_cohorts.check_patients("near", subjects("mri", "labels"), own, "auto")
    with pytest.raises(SettingsError, match="take t2: no sequence in common"):
        source_cohorts.check_patients("near", subjects("flair", "labels"), own, ["t2"])
    source_cohorts.check_patients("near", subjects("flair", "labels"), own, "auto")


def test_what_jobs_make_lies_apart_and_the_users_files_stay():
    made = {"t1": "results/work/sub-a/stacked/t1.nii.gz", "labels": "/data/results/work/sub-a/x.nii.gz"}
    before = {"a": {"files": made, "site": "s"}}
    moved = source_cohorts.move_outputs("near", before)
    assert moved["a"]["files"] == made | {"t1": "results/cohorts/near/sub-a/stacked/t1.nii.gz"}
    assert moved["a"]["site"] == "s" and before["a"]["files"] is made
