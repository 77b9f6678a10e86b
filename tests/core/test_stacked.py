"""What a config of patients' pictures becomes, and what does not fit it."""

from pathlib import Path

import pytest
import yaml

from neurograft.core.config import SettingsError, fit_layout, resolve_config
from neurograft.core.prepared import fit_prepared
from neurograft.core.stacked import fit_stacked, is_single, is_stacked

SCHEMA = yaml.safe_load((Path(__file__).parents[2] / "workflow/schemas/config.schema.yaml").read_text())


def fit(layout="images", sequences=(), pictures=None, **blocks):
    """A config as the workflow makes it."""
    given = {"dataset": {"layout": layout, "sequences": list(sequences), "pictures": pictures or {}}} | blocks
    return fit_prepared(fit_stacked(fit_layout(resolve_config(given, SCHEMA), given), given), given)


def test_pictures_of_patients_go_the_way_of_prepared_scans():
    wanted, finer = {"segmentation": {"strategies": ["scratch"]}}, {"spacing": 2}
    config = fit("images", ["t1c"], {"spacing": [0.5, 0.5, 7]}, experiment=wanted, register_scans=finer)
    assert is_stacked(config) and not is_single(config)
    assert config["strip_skull"]["engine"] == config["register_scans"]["template"] == "none"
    assert config["register_scans"]["spacing"] == [2, 2, 7]
    assert config["experiment"]["segmentation"]["strategies"] == ["scratch"]
    assert fit("images", ["t1c"], register_scans=finer)["register_scans"]["spacing"] == [2, 2, 1]
    assert fit("images", ["mri"])["register_scans"]["spacing"] is None


def test_single_pictures_and_scans_are_left_as_they_were():
    assert is_single(fit()) and fit()["experiment"]["classification"]["target"] == "class"
    scans = fit("phantom")
    assert not is_single(scans) and not is_stacked(scans) and scans["register_scans"]["template"] == "MNI152"


@pytest.mark.parametrize(
    ("layout", "sequences", "blocks", "says"),
    [
        ("bids", [], {"pictures": {"person": "x"}}, "only layout images has pictures"),
        ("images", [], {"pictures": {"person": "x"}}, "say what they show in dataset.sequences"),
        ("images", ["t1"], {"pictures": {"spacing": [1, 1]}}, "give three sizes"),
        ("images", ["t1"], {"strip_skull": {"engine": "robex"}}, "taken as they are"),
        ("images", ["t1"], {"register_scans": {"template": "MNI152"}}, "taken as they are"),
        ("images", ["a b"], {}, "cannot be a name"),
    ],
)
def test_what_does_not_fit_is_one_line(layout, sequences, blocks, says):
    with pytest.raises(SettingsError, match=says) as caught:
        fit(layout, sequences, **blocks)
    assert "\n" not in str(caught.value)
