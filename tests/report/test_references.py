"""The works that the methods may cite."""

import re

import pytest

from neurograft.report import references
from neurograft.transferability import scores

LISTED = references.read_references()
SCORES = LISTED.scores | {"reliability": LISTED.score_reliability}
EVERY = LISTED.works | {f"score {name}": work for name, work in SCORES.items()}


@pytest.mark.parametrize("key", EVERY)
def test_a_reference_is_whole(key):
    text, doi = EVERY[key].text, EVERY[key].doi
    assert text.endswith(".") and re.search(r"\b(19|20)\d\d\b", text) and "  " not in text
    # a DOI alone, without an address or a word before it
    assert not doi or re.fullmatch(r"10\.\d{4,9}/\S+[^.,]", doi)


def test_no_work_is_listed_twice():
    dois = [work.doi.lower() for work in EVERY.values() if work.doi]
    assert len(set(dois)) == len(dois)
    assert len({work.text for work in EVERY.values()}) == len(EVERY)


def test_every_score_and_no_other_is_cited():
    assert set(LISTED.scores) == set(scores.SCORES)


@pytest.mark.parametrize("name", SCORES)
def test_a_score_is_cited_by_a_recent_work_with_a_doi(name):
    assert re.search(r"\b20\d\d\b", SCORES[name].text) and SCORES[name].doi


def test_a_citation_is_split_at_its_doi():
    whole = references.split_citation("Tan M. Scaling. ICML 2019. doi:10.1/net")
    assert whole == references.Reference("Tan M. Scaling. ICML 2019.", "10.1/net")
    assert references.split_citation("Chen S. Organs. arXiv 2019") == references.Reference(
        "Chen S. Organs. arXiv 2019.", None
    )


def test_the_file_is_read_once():
    assert references.read_references() is LISTED
