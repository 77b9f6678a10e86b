"""How to read figures and quality measures: a small reader of `guidance.yaml`, which holds the words."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

GUIDANCE = Path(__file__).with_name("guidance.yaml")
Words = dict[str, str]


@dataclass(frozen=True)
class Guidance:
    """Words for figures and measures: `title`, `unit`, `good`, `bad` and `advice`, as far as they apply.

    Attributes
    ----------
    pictures : dict of str to dict
        By the name of a subject's figure.
    prepared, own_labels : dict of str to dict
        The same for figures that show something else of prepared scans, and of labels that are not of tumours.
    quality : dict of str to dict
        By the beginning of a column's name in `quality.tsv`.
    unknown_quality : dict of str to str
        For a column that has no entry.
    images : dict of str to str
        Image as it appears in a column's name, to its written name.
    transfer : dict of str to dict
        By the name of a figure or table of the transfer chapter.
    """

    pictures: dict[str, Words]
    prepared: dict[str, Words]
    own_labels: dict[str, Words]
    quality: dict[str, Words]
    unknown_quality: Words
    images: Words
    transfer: dict[str, Words]


@cache
def read_guidance(path=GUIDANCE) -> Guidance:
    """Read the words from the YAML file, once per process."""
    return Guidance(**yaml.safe_load(Path(path).read_text(encoding="utf-8")))


def choose_pictures(prepared: bool, own_labels: bool) -> dict[str, Words]:
    """Return the words for a subject's figures.

    Parameters
    ----------
    prepared, own_labels : bool
        Whether the scans were prepared elsewhere, and whether the labels are the user's own.

    Returns
    -------
    dict of str to dict
    """
    words = read_guidance()
    return words.pictures | (words.prepared if prepared else {}) | (words.own_labels if own_labels else {})


def quality_words(column: str) -> Words:
    """Return the words for a column of the quality table, and as `part` the image that it is about, or nothing."""
    guidance = read_guidance()
    start = next((start for start in guidance.quality if f"{column}_".startswith(f"{start}_")), column)
    words = guidance.quality.get(start, {"title": column.replace("_", " ")} | guidance.unknown_quality)
    part = column.removeprefix(start).strip("_")
    return words | {"part": guidance.images.get(part, part)}


def name_quality(column: str) -> str:
    """Return the written name of a column of the quality table."""
    words = quality_words(column)
    return f"{words['title']}, {words['part']}" if words["part"] else words["title"]
