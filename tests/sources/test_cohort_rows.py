"""The rows of sources that learn from another cohort."""

from pathlib import Path

import pytest

from neurograft.sources import cohort_rows, table

TABLE = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")


def make(name="near", start="efficientnet-lite0", strategy="fine-tune", licence="", sources=TABLE):
    block = {"start": start, "strategy": strategy, "licence": licence}
    return cohort_rows.make_rows({name: block}, sources)[f"cohort-{name}"]


def test_a_row_has_the_network_that_it_starts_from_and_is_made_here():
    row = make(start="deepbet")
    assert (row["backbone"], row["dimensions"], row["seen"]) == ("deepbet", "3", "cohort:near")
    assert table.is_made(row) and table.kind_of(row) == "cohort" and table.base_of(row) == "deepbet"
    assert set(row) == set(TABLE["deepbet"]) and all(row[column] for column in table.COLUMNS)
    assert table.list_beside(row) == ["manifest.json", "top"]


def test_random_weights_come_from_no_source():
    row = make(strategy="scratch")
    assert table.kind_of(row) == "cohort" and table.base_of(row) == "" and row["backbone"] == "efficientnet-lite0"


@pytest.mark.parametrize(("licence", "barred"), [("", False), ("CC-BY-NC-SA-4.0", True), ("CC-BY-4.0", False)])
def test_the_terms_of_the_scans_count_for_what_is_published(licence, barred):
    assert bool(table.forbids_sharing(make(licence=licence)["licence"])) == barred


@pytest.mark.parametrize("start", ["self-masked", "nothing"])
def test_a_start_that_is_made_here_or_is_not_there_is_refused(start):
    with pytest.raises(table.SourceError, match=rf"cohorts\.near\.start is '{start}'; .* one of efficientnet-lite0"):
        make(start=start)


def test_two_sources_of_one_name_are_refused():
    with pytest.raises(table.SourceError, match=r"sources\.tsv has a source cohort-near already"):
        make(sources=TABLE | {"cohort-near": TABLE["alexnet"]})


def test_the_table_itself_has_no_such_row():
    row = make()
    assert "rules that make a source" in table.find_fault(row, TABLE)
