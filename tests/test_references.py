"""The works that the methods may cite."""

import re
from pathlib import Path

import pytest

from neurograft.references import REFERENCES

LIBRARY = Path(__file__).parents[1] / "scripts/neurograft"


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
