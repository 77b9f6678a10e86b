"""Prepared scans, own labels and own sequences: what fits, what is refused in one line, what is left out."""

import copy
from pathlib import Path

import pytest
import yaml

from neurograft.core.config import SettingsError, resolve_config
from neurograft.core.prepared import fit_prepared, is_prepared, proposes_candidates

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml").read_text())
CROPS = {
    "dataset": {"layout": "decathlon", "root": "x", "sequences": ["mri"], "labels": {"anterior": 1, "posterior": 2}},
    "strip_skull": {"engine": "none"},
    "register_scans": {"template": "none"},
}


def fit(**changes):
    """Fit a config of crops in which some keys, named by block and key, have other values or none."""
    given = copy.deepcopy(CROPS)
    for place, value in changes.items():
        block, key = place.split("__")
        given.setdefault(block, {})[key] = value
        if value is None:
            del given[block][key]
    before = copy.deepcopy(given)
    fitted = fit_prepared(resolve_config(given, SCHEMA), given)
    assert given == before
    return fitted


def test_crops_keep_their_grid_and_get_no_candidates():
    config = fit()
    assert is_prepared(config) and not proposes_candidates(config)
    assert config["import_scans"]["labels"] == "anterior=1,posterior=2" and "labels" not in config["dataset"]
    assert config["register_scans"]["spacing"] is None
    assert config["experiment"]["classification"]["strategies"] == []
    assert fit(register_scans__spacing=2.0)["register_scans"]["spacing"] == 2.0
    assert fit(register_scans__spacing="own")["register_scans"]["spacing"] is None


def test_tumours_in_known_sequences_stay_as_they_are():
    given = {"dataset": {"layout": "brats", "root": "x"}}
    config = resolve_config(given, SCHEMA)
    fitted = fit_prepared(config, given)
    assert config["dataset"].pop("labels") == {} and fitted == config
    assert proposes_candidates(fitted) and proposes_candidates({})
    known = {"dataset": {"layout": "decathlon", "root": "x", "sequences": ["flair", "t1"]}}
    assert proposes_candidates(fit_prepared(resolve_config(known, SCHEMA), known))


def test_own_labels_of_whole_heads_are_stripped_and_registered():
    config = fit(strip_skull__engine="deepbet", register_scans__template="MNI152")
    assert not is_prepared(config) and config["register_scans"]["spacing"] == 1.0
    assert not proposes_candidates(config)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"register_scans__template": "MNI152"}, "set register_scans.template to none"),
        ({"register_scans__template": None}, "set register_scans.template to none"),
        ({"strip_skull__second": "deepbet"}, "leave it out"),
        ({"strip_skull__engine": "deepbet", "register_scans__spacing": "own"}, "give millimetres"),
        ({"dataset__labels": {"a": 1, "b": 1}}, "the value 1 is there twice"),
        ({"dataset__labels": {"a": 1, "A": 2}}, "the name a is there twice"),
        ({"dataset__labels": {"all": 1}}, "'all' cannot be a label"),
        ({"dataset__labels": {"wt": 1}}, "'wt' cannot be a label"),
        ({"dataset__labels": {"box": 1}}, "'box' cannot be a label"),
        ({"dataset__labels": {"left": 1, "right": 2}}, "give both sides one value"),
        ({"dataset__labels": {"hippocampusLeft": 1}}, "tells left from right"),
        ({"dataset__labels": {"left part": 1}}, "'left part' cannot be a name; take letters and digits"),
        ({"dataset__labels": {"a": 256}}, "dataset.labels.a"),
        ({"dataset__labels": {"a": 0}}, "dataset.labels.a"),
        ({"dataset__labels": {"a": "one"}}, "dataset.labels.a"),
        ({"import_scans__labels": "binary"}, "keep one"),
        ({"dataset__sequences": None}, "name them in that order"),
        ({"dataset__sequences": ["brain"]}, "'brain' cannot be a sequence"),
        ({"dataset__sequences": ["m-ri"]}, "'m-ri' cannot be a name"),
        ({"dataset__sequences": ["mri", "MRI"]}, "differ in capitals alone"),
        ({"dataset__layout": "bids"}, "layout bids knows its sequences"),
        ({"split_cohort__sequences": ["t1"]}, "dataset.sequences has mri"),
        ({"split_cohort__sequences": ["mir"]}, "choose one of: t1, t1c, t2, flair, mri"),
        ({"experiment__segmentation": {"strategies": ["lp-ft", "supervoxels"]}}, "made of tumour candidates"),
        ({"experiment__classification": {"strategies": ["scratch"]}}, "are no tumours; name a column"),
        ({"train_network__sampling": "candidates"}, "set it to labels"),
        (
            {
                "strip_skull__engine": "deepbet",
                "register_scans__template": "MNI152",
                "register_scans__deformable": True,
            },
            "set it to false",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_in_one_line(change, says):
    with pytest.raises(SettingsError) as caught:
        fit(**change)
    assert says in str(caught.value) and "\n" not in str(caught.value) and str(caught.value).startswith("config: ")


def test_sequences_of_the_user_s_own_may_be_named_where_sequences_are():
    config = fit(split_cohort__sequences=["mri"], import_scans__reference=["mri"])
    assert config["split_cohort"]["sequences"] == ["mri"] and config["import_scans"]["reference"] == ["mri"]


def test_a_name_that_only_sounds_like_a_side_is_a_name():
    own = {"bright": 1, "leftover": 2, "Righteous": 3}
    assert fit(dataset__labels=own)["import_scans"]["labels"] == "bright=1,leftover=2,Righteous=3"


def test_a_column_may_be_classified_beside_own_labels():
    wanted = {"target": "sex", "strategies": ["scratch"]}
    assert fit(experiment__classification=wanted)["experiment"]["classification"]["strategies"] == ["scratch"]
