"""The rows of sources that learn from another labelled cohort, as in the table `config/sources.tsv`.

The Snakefile imports this module when it is parsed: standard library only.
"""

from collections.abc import Mapping
from typing import Any

from neurograft.core.source_cohorts import PREFIX, name_source
from neurograft.sources.table import MADE_HERE, SourceError, is_made

KIND = "cohort"  # as in the location `rule:cohort/SOURCE`
RANDOM = "scratch"  # the strategy that starts from random weights


def make_rows(cohorts: Mapping[str, Mapping[str, Any]], sources: Mapping[str, Mapping[str, str]]):
    """Make the row of every cohort's source.

    Parameters
    ----------
    cohorts : dict of str to dict
        The config's block `cohorts`, with `start`, `strategy` and `licence`.
    sources : dict of str to dict
        Rows of `config/sources.tsv` by name.

    Returns
    -------
    dict of str to dict
        By the source's name in files.

    Raises
    ------
    SourceError
        If the source to start from does not exist or is made here, or the table has one of that name.
    """
    return {name_source(name): _make_row(name, block, sources) for name, block in cohorts.items()}


def _make_row(cohort, block, sources):
    """Make one row: that of the source whose weights, or whose network, it starts from, with what is learnt."""
    start, name = sources.get(block["start"]), name_source(cohort)
    if start is None or is_made(start):
        known = ", ".join(other for other, row in sources.items() if not is_made(row))
        raise SourceError(
            f"config: cohorts.{cohort}.start is '{block['start']}'; a cohort's source starts from one of {known}"
        )
    if name in sources:
        raise SourceError(f"config: cohorts.{cohort}: sources.tsv has a source {name} already; rename one of the two")
    random = block["strategy"] == RANDOM
    before = "random weights" if random else start["domain"]
    weights = "made on your machine from random weights" if random else f"{start['licence']} for the weights before"
    data = block["licence"] or "the terms of its scans"
    return {
        **start,
        "name": name,
        "domain": f"{before}, then labelled patients of the cohort {cohort} (made during the run)",
        "seen": f"{PREFIX}{cohort}",
        "location": f"rule:{KIND}" if random else f"rule:{KIND}/{start['name']}",
        "sha256": MADE_HERE,
        "licence": f"{weights}; {data} for what was learnt from {cohort}",
    }
