"""What the config says of other programs' masks."""

import pytest

from neurograft.core.config import SettingsError
from neurograft.core.external import check_external, list_external_arms

MASKS = {"predictions": "masks"}


def test_an_arm_of_each_program():
    arms = list_external_arms({"nnunet": MASKS, "other": MASKS}, "template", 3)
    assert arms == [(("external"), name, "template", "folds", "all", 3) for name in ("nnunet", "other")]


def test_names_of_ones_own_beside_scratch_are_fine():
    check_external({"nnunet": MASKS, "net-2": MASKS}, ["scratch", "lp-ft"], {"photos": {}})
    check_external({}, [], {"external": {}})


@pytest.mark.parametrize(
    ("name", "strategies", "sources", "words"),
    [
        ("lp-ft", ["scratch"], {}, "'lp-ft' is the name of a strategy; give the masks a name of their own"),
        ("frozen-mine", ["scratch"], {}, "'frozen-mine' is the name of a strategy"),
        ("ensemble", ["scratch"], {}, "'ensemble' is the name of a strategy"),
        ("nnunet", ["lp-ft"], {}, "nnunet is compared with scratch, which .* does not train: add it there"),
        ("nnunet", ["scratch"], {"external": {}}, r"sources\.tsv has a source 'external'.*; rename it"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_a_line(name, strategies, sources, words):
    with pytest.raises(SettingsError, match=f"^config: experiment.segmentation.external: .*{words}"):
        check_external({name: MASKS}, strategies, sources)
