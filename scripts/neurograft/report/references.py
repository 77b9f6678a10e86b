"""The works that the report may cite: a small reader of `references.yaml`, which holds them."""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

REFERENCES = Path(__file__).with_name("references.yaml")


@dataclass(frozen=True)
class Reference:
    """A work: its citation, which ends in a full stop, and its DOI, where it has one."""

    text: str
    doi: str | None


@dataclass(frozen=True)
class References:
    """The works that the methods may cite.

    Attributes
    ----------
    works : dict of str to Reference
        By the key under which the methods cite them.
    scores : dict of str to Reference
        By the name of the transferability score.
    score_reliability : Reference
        On how little such scores are worth on medical tasks.
    """

    works: dict[str, Reference]
    scores: dict[str, Reference]
    score_reliability: Reference


@cache
def read_references(path=REFERENCES) -> References:
    """Read the works from the YAML file, once per process."""
    listed = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    return References(
        works={key: Reference(**work) for key, work in listed["works"].items()},
        scores={name: Reference(**work) for name, work in listed["scores"].items()},
        score_reliability=Reference(**listed["score_reliability"]),
    )


def split_citation(citation: str) -> Reference:
    """Split a citation of `config/sources.tsv`, which may end in ` doi:...`, into its text and its DOI."""
    text, _, doi = citation.partition(" doi:")
    return Reference(text.rstrip(". ") + ".", doi.strip() or None)
