"""Sources that the workflow makes itself: what their rows of `sources.tsv` say, and what is told of their making.

The rules use this module while the Snakefile is parsed: standard library only. `pretraining` makes the weights.
"""

import json
import re
from pathlib import Path

# stands where a hash would: the weights come to be during the run, and the manifest beside them has the hash
MADE_HERE = "made-here"
LOCATION = re.compile(r"rule:(?P<kind>[a-z]+)(/(?P<base>.+))?")
MANIFEST = "manifest.json"


def is_made(row):
    """Say whether a source's weights are made by a rule of the workflow."""
    return row.get("sha256") == MADE_HERE


def kind_of(row):
    """Give how a source is made, a key of `MADE_FROM`; nothing for a source that is not made here."""
    return LOCATION.fullmatch(row["location"])["kind"] if is_made(row) else ""


def base_of(row):
    """Give the name of the source that a source is made from; nothing where there is none."""
    return (LOCATION.fullmatch(row["location"])["base"] if is_made(row) else None) or ""


def with_bases(rows, sources):
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


def odd_row(row, sources):
    """Say what is wrong with a row whose weights a rule makes, or with one that claims so.

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
    found = LOCATION.fullmatch(row["location"])
    if not found or found["kind"] not in MADE_FROM:
        known = ", ".join(f"rule:{kind}" for kind in MADE_FROM)
        return f"has the location {row['location']}; the rules that make a source are {known}"
    if not is_made(row):
        return f"is made by a rule: its sha256 is {MADE_HERE}"
    kind, base = found["kind"], found["base"]
    if not MADE_FROM[kind]:
        return f"starts from random weights: its location is rule:{kind}" if base else ""
    start = sources.get(base)
    if start is None or is_made(start) or start["backbone"] != row["backbone"]:
        return (
            f"needs the location rule:{kind}/SOURCE, with a source of the backbone {row['backbone']} in the table "
            "that is not made by a rule"
        )
    return ""


def read_making(weights):
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
}
