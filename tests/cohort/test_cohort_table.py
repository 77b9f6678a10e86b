"""What became of each subject, as rows of one table."""

from neurograft.cohort import cohort_table


def status(subject, scheme="", values=None, certain=True, **changes):
    labels = None if values is None else {"values": values, "certain": certain}
    plain = {"included": True, "reason": "", "notes": [], "site": "", "columns": {}, "name": subject}
    return plain | {"subject": subject, "sequences": {"t1": {}, "t2": {}}, "labels": labels, "scheme": scheme} | changes


def test_cohort_rows_have_every_column():
    rows = cohort_table.gather_cohort(
        [
            status("a", site="X", columns={"age": "5", "reason": "referral"}, notes=["one", "two"], will_do="strip t1"),
            status("b", included=False, reason="t1: broken", sequences={}, columns={"sex": "F"}),
        ]
    )
    assert [list(row) for row in rows] == [[*cohort_table.FIXED_COLUMNS, "age", "dataset_reason", "sex"]] * 2
    assert (
        rows[0]["sequences"] == "t1,t2" and rows[0]["notes"] == "one; two" and rows[0]["dataset_reason"] == "referral"
    )
    assert [row["will_do"] for row in rows] == ["strip t1", ""] and rows[0]["recognised"] == ""
    assert rows[1]["included"] is False and rows[1]["reason"] == "t1: broken" and rows[1]["age"] == ""


def test_cohort_rows_settle_the_scheme():
    rows = cohort_table.gather_cohort(
        [
            status("a", "brats2023", [1, 2, 3]),
            status("b", "binary", [1], certain=False),
            status("c", "brats2018", [1, 2], certain=False),
            status("d", "", [], certain=False),
            status("e", "brats2018", [4]),
            status("f", "brats2023", [3]),
            status("g", "brats2018"),
            status("h", "binary", [1], certain=True),
        ]
    )
    assert [row["scheme"] for row in rows[:4]] == ["brats2023"] * 4 and all(row["labels"] for row in rows[:4])
    # another release's values for the same regions are as good
    assert rows[4]["labels"] is True and rows[4]["scheme"] == "brats2018" and rows[4]["notes"] == ""
    assert rows[6]["labels"] is False and rows[6]["scheme"] == "brats2018" and rows[6]["notes"] == ""
    assert rows[7]["labels"] is False and "follow binary, the cohort brats2023" in rows[7]["notes"]


def test_cohort_of_tumour_free_labels_only():
    (row,) = cohort_table.gather_cohort([status("a", "", [], certain=False)])
    assert row["labels"] is True and row["scheme"] == ""


def brightened(subject, scheme, brightness, **more):
    made = status(subject, scheme, [1, 2, 4])
    made["labels"] |= {"brightness": {"4": brightness}} | more
    return made


def test_what_is_called_enhancing_has_to_enhance_in_most():
    rows = cohort_table.gather_cohort([brightened(name, "brats2018", b) for name, b in zip("abc", (0.9, 0.2, 0.8))])
    assert all(row["labels"] for row in rows)
    rows = cohort_table.gather_cohort([brightened(name, "brats2018", b) for name, b in zip("abc", (0.9, 0.1, 0.2))])
    assert not any(row["labels"] for row in rows)
    assert all("says that 4 enhances, but it is darker" in row["notes"] for row in rows)
    assert all("set import_scans.labels" in row["notes"] and "probability 0.20" in row["notes"] for row in rows)
    rows = cohort_table.gather_cohort([brightened("a", "brats2018", 0.1, stated=True)])
    assert rows[0]["labels"] and rows[0]["notes"] == ""
