"""Pretrained sources: the rows of `config/sources.tsv`, those included that the workflow makes itself.

The Snakefile imports this module while it is parsed: standard library only. `pretraining` makes the weights.
"""

import csv
import json
import re
from pathlib import Path

# stands where a hash would: the weights come to be during the run, and the manifest beside them has the hash
MADE_HERE = "made-here"
# stands where a hash would: the authors publish none, and the user has to put in that of the file that he has
UNPUBLISHED = "unpublished"
LOCATION = re.compile(r"rule:(?P<kind>[a-z]+)(/(?P<base>.+))?")
MANIFEST = "manifest.json"
# the decoder and head of a segmenter, beside the encoder's weights of a source that learns to segment another cohort
TOP = "top"
# backbones whose published checkpoint has a decoder and a head that are read (`tops.read_top`)
HEADED = ("flair-unet",)


def is_made(row):
    """Check whether a source's weights are made by a rule of the workflow."""
    return row.get("sha256") == MADE_HERE


def kind_of(row):
    """Return how a source is made, a key of `MADE_FROM`; nothing for a source that is not made here."""
    matched = LOCATION.fullmatch(row["location"]) if is_made(row) else None
    return matched["kind"] if matched else ""


def base_of(row):
    """Return the name of the source that a source is made from; nothing where there is none."""
    matched = LOCATION.fullmatch(row["location"]) if is_made(row) else None
    return (matched["base"] or "") if matched else ""


def has_head(row):
    """Check whether a source hands on a decoder and a head, and so segments without any training."""
    return kind_of(row) == "cohort" or row["backbone"] in HEADED


def list_beside(row):
    """List the files beside the weights of a source that is made here, which trainings read too."""
    if not is_made(row):
        return []
    return [MANIFEST, TOP] if kind_of(row) == "cohort" else [MANIFEST]


def add_base_sources(rows, sources):
    """Add, to sources that are asked for, those that they are made from.

    Parameters
    ----------
    rows, sources : dict of str to dict
        Rows that are asked for, and the whole table, by name.

    Returns
    -------
    dict of str to dict
    """
    return rows | {base_of(row): sources[base_of(row)] for row in rows.values() if base_of(row)}


def find_fault(row, sources):
    """Describe what is wrong with a row whose weights a rule makes, or with one that claims so.

    Parameters
    ----------
    row : dict
        Of the table `sources`.
    sources : dict of str to dict

    Returns
    -------
    str
        The end of a sentence that begins with the source; nothing where all is well.
    """
    if not row["location"].startswith("rule:"):
        return f"is not made by a rule: its sha256 cannot be {MADE_HERE}" if is_made(row) else ""
    matched = LOCATION.fullmatch(row["location"])
    if not matched or matched["kind"] not in MADE_FROM:
        rules = ", ".join(f"rule:{kind}" for kind in MADE_FROM)
        return f"has the location {row['location']}; the rules that make a source are {rules}"
    if not is_made(row):
        return f"is made by a rule: its sha256 is {MADE_HERE}"
    kind, base = matched["kind"], matched["base"]
    if not MADE_FROM[kind]:
        return f"starts from random weights: its location is rule:{kind}" if base else ""
    start = sources.get(base)
    if start is None or is_made(start) or start["backbone"] != row["backbone"]:
        return (
            f"needs the location rule:{kind}/SOURCE, with a source of the backbone {row['backbone']} in the table "
            "that is not made by a rule"
        )
    return ""


def read_manifest(weights):
    """Read what the rule that made a source wrote of it: the manifest beside the weights.

    Parameters
    ----------
    weights : str or Path

    Returns
    -------
    dict
        As `pretraining` writes it: `made`, `reason`, `subjects` (of this cohort, whose scans were trained on),
        `sha256` (of the weights) and how they were made.
    """
    return json.loads(Path(weights).with_name(MANIFEST).read_text(encoding="utf-8"))


# how a source is made: whether from another source's weights (`rule:KIND/SOURCE`) or from random ones (`rule:KIND`)
MADE_FROM = {
    "simulated": False,
    "masked": True,
    "shuffled": True,
}
# what a value has to look like, and how that is said
FORMS = {
    "name": (r"[0-9A-Za-z.-]+", "letters, digits, dots and hyphens"),
    "dimensions": (r"[23]", "2 or 3"),
    "sha256": (
        rf"[0-9a-fA-F]{{8,64}}|{MADE_HERE}|{UNPUBLISHED}",
        "the SHA-256 or at least its first 8 hexadecimal digits, made-here for a source that a rule makes, or "
        "unpublished (then it is refused until you put in your file's)",
    ),
}
COLUMNS = ("name", "backbone", "dimensions", "domain", "location", "sha256", "licence", "citation")


class SourceError(ValueError):
    """A source cannot be used; the message is one line that says what to do."""


def read_sources(path):
    """Read the table of pretrained sources.

    Parameters
    ----------
    path : str or Path
        TSV with the columns of `COLUMNS`, and if need be `seen`: the sets that it was trained on, with semicolons.

    Returns
    -------
    dict of str to dict
        Row by name.

    Raises
    ------
    SourceError
        If a column or a value is missing or of the wrong form, or a name is there twice.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    sources = {}
    for number, row in enumerate(rows, start=2):
        empty = [column for column in COLUMNS if not row.get(column)]
        if empty:
            raise SourceError(f"{path}, line {number}: fill in {', '.join(empty)}")
        for column, (form, words) in FORMS.items():
            if not re.fullmatch(form, row[column]):
                raise SourceError(f"{path}, line {number}: {column} is '{row[column]}'; it takes {words}")
        if row["name"] in sources:
            raise SourceError(f"{path}, line {number}: the source {row['name']} is there twice, remove one")
        sources[row["name"]] = row
    for row in sources.values():
        wrong = find_fault(row, sources)
        if wrong:
            raise SourceError(f"{path}: the source {row['name']} {wrong}")
    return sources


def is_remote(row):
    """Check whether a source's weights have to be fetched from an http or https address."""
    return row["location"].startswith(("https://", "http://"))


def forbids_sharing(licence):
    """Describe what in a licence stands against sharing networks that were trained from the weights.

    Parameters
    ----------
    licence : str
        As in the table: an SPDX name such as CC-BY-NC-ND-4.0, or words.

    Returns
    -------
    str
        A reason, or nothing where no word of `LICENCE_BARS` stands in the licence.
    """
    return next((reason for words, reason in LICENCE_BARS.items() if re.search(words, licence, re.IGNORECASE)), "")


# words of a licence: what they mean for a network that was trained from the weights
LICENCE_BARS = {
    r"\bND\b|no.?deriv": "forbids sharing what is derived from them",
    r"\bNC\b|non.?commercial": "forbids commercial use, which a published network would not",
    r"research.only|academic": "forbids use beyond research",
    r"not stated": "is not stated, so nothing permits sharing what is derived from them",
}
