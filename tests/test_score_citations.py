"""Each transferability score names the work that it is from."""

import re

import pytest

from neurograft import score_citations, transferability

EVERY = {**score_citations.SCORE_CITATIONS, "unreliable": score_citations.UNRELIABLE}


def test_every_score_and_no_other_is_cited():
    assert set(score_citations.SCORE_CITATIONS) == set(transferability.SCORES)


@pytest.mark.parametrize("name", EVERY)
def test_a_citation_ends_in_its_doi(name):
    assert re.search(r"\b20\d\d\b.* doi:10\.\d{4,9}/\S+$", EVERY[name])


def test_no_work_is_cited_for_two_scores():
    dois = [text.rsplit("doi:", 1)[1] for text in EVERY.values()]
    assert len(set(dois)) == len(dois)
