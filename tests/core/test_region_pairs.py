"""Which region of one cohort teaches which of another."""

import pytest

from neurograft.core.region_pairs import pair_regions

TUMOUR = ("WT", "TC", "ET")


@pytest.mark.parametrize(
    ("own", "other", "pairs"),
    [
        (TUMOUR, TUMOUR, {"WT": "WT", "TC": "TC", "ET": "ET"}),
        (TUMOUR, ("WT",), {"WT": "WT"}),
        (("WT",), TUMOUR, {"WT": "WT"}),
        (TUMOUR, ("lesion",), {"WT": "lesion"}),
        (("lesion",), TUMOUR, {"lesion": "WT"}),
        (TUMOUR, ("all", "core", "rim"), {"WT": "all"}),
        (("all", "a", "b"), ("all", "b", "c"), {"all": "all", "b": "b"}),
        (("all", "a", "b"), ("b",), {"all": "b", "b": "b"}),
        (TUMOUR, (), {}),
        ((), TUMOUR, {}),
    ],
)
def test_regions_are_paired_by_name_and_the_outermost_always(own, other, pairs):
    found = pair_regions(own, other)
    assert found == pairs and list(found) == [name for name in own if name in pairs]
