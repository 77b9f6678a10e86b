"""What a region is called before "Dice"."""

from neurograft.core import labels
from neurograft.core.region_words import REGION_WORDS, name_region


def test_every_region_of_a_tumour_has_words_and_a_label_its_name():
    assert set(REGION_WORDS) == {*labels.REGIONS, labels.ALL}
    assert name_region("WT") == "whole-tumour" and name_region("anterior") == "anterior" and name_region("") == ""
