"""The words for a region: apart from `core.labels`, so that a better word trains no network again."""

from neurograft.core.labels import ALL

REGION_WORDS = {"WT": "whole-tumour", "TC": "tumour-core", "ET": "enhancing-tumour", ALL: "all-labels"}


def name_region(region: str) -> str:
    """Return the words for a region, to stand before "Dice"; a label of the user's own has its name."""
    return REGION_WORDS.get(region, region)
