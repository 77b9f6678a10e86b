"""The works that the methods may cite."""

import re
from pathlib import Path

import pytest

from neurograft.report import references
from neurograft.report.references import REFERENCES
from neurograft.transferability import scores

LIBRARY = Path(__file__).parents[2] / "scripts/neurograft"


@pytest.mark.parametrize("key", REFERENCES)
def test_a_reference_is_whole(key):
    text, doi = REFERENCES[key]
    assert text.endswith(".") and re.search(r"\b(19|20)\d\d\b", text) and "  " not in text
    # a DOI alone, without an address or a word before it
    assert not doi or re.fullmatch(r"10\.\d{4,9}/\S+[^.,]", doi)


def test_no_work_is_listed_twice():
    dois = [doi.lower() for _, doi in REFERENCES.values() if doi]
    assert len(set(dois)) == len(dois)
    assert len({text for text, _ in REFERENCES.values()}) == len(REFERENCES)


EVERY = {**references.SCORE_CITATIONS, "unreliable": references.UNRELIABLE}


def test_every_score_and_no_other_is_cited():
    assert set(references.SCORE_CITATIONS) == set(scores.SCORES)


@pytest.mark.parametrize("name", EVERY)
def test_a_citation_ends_in_its_doi(name):
    assert re.search(r"\b20\d\d\b.* doi:10\.\d{4,9}/\S+$", EVERY[name])


def test_no_work_is_cited_for_two_scores():
    dois = [text.rsplit("doi:", 1)[1] for text in EVERY.values()]
    assert len(set(dois)) == len(dois)
