"""Which sequence a series is, by the table that the project brings and by tables of users."""

from pathlib import Path

import pytest

from neurograft.cohort.dicom_rules import digest_rules, read_rules, recognise
from neurograft.core.sequences import SEQUENCES
from neurograft.core.tables import TableError

RULES = read_rules(Path(__file__).parents[2] / "config/sequences.tsv")

SE = {"ScanningSequence": "SE", "ImageType": ["ORIGINAL", "PRIMARY", "M"], "Slices": 24, "Volumes": 1}
T1 = SE | {"RepetitionTime": 0.55, "EchoTime": 0.012}
T2 = SE | {"RepetitionTime": 4.5, "EchoTime": 0.1}
FLAIR = SE | {"ScanningSequence": "SE_IR", "RepetitionTime": 9.0, "EchoTime": 0.12, "InversionTime": 2.5}
MPRAGE = SE | {"ScanningSequence": "GR_IR", "RepetitionTime": 2.3, "EchoTime": 0.003, "InversionTime": 0.9}
AGENT = {"ContrastBolusAgent": "Gadovist"}


def name_of(fields, rules=RULES, **more):
    """The sequence of the rule that fits, or None."""
    rule = recognise(fields | more, rules)
    return rule and rule["sequence"]


@pytest.mark.parametrize(
    ("sequence", "fields", "names"),
    [
        ("t1", T1, "AX T1|t1_se_tra|sT1W_SE|Ax T1 pre|T1 - nativ|T1 SAG without contrast|T1 W/O|AX T1 NON-CONTRAST"),
        ("t1", MPRAGE, "t1_mprage_sag_p2_iso|MPRAGE|t1_mpr_ns_sag|SAG T1 FLAIR pre"),
        ("t1c", T1, "AX T1 +C|t1_se_tra_km|T1 POST GAD|sT1W_SE_GD|T1 with contrast|AX T1 C+|t1_tra_post"),
        ("t1c", T1 | AGENT, "AX T1|t1_se_tra|T1 W/WO"),
        ("t1", T1 | AGENT, "AX T1 PRE|T1 w/o contrast"),
        ("t1", T1 | {"ContrastBolusAgent": "NONE"}, "AX T1"),
        ("t2", T2, "AX T2 FSE|t2_tse_tra|T2W_TSE|Ax T2 PROPELLER POSTOP|T2 SPACE"),
        ("flair", FLAIR, "AX FLAIR|T2 FLAIR|t2_tirm_tra_dark-fluid|FLAIR +C|t2_spc_da-fl_sag"),
        ("t1", MPRAGE, "OAx T1 FLAIR"),
        ("none", T1 | {"Volumes": 40}, "AX T1|perfusion"),
        ("none", T1 | {"Slices": 3}, "AX T1"),
        ("none", T1 | {"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "T1 SAG"),
        ("none", T1 | {"ImageType": ["ORIGINAL", "PRIMARY", "P", "ND"]}, "T1 SAG"),
        ("none", T1, "3-plane loc|localizer|SCOUT|Survey|ASSET cal|T1 C-SPINE|SAG T1 PITUITARY"),
        ("none", T2, "DWI b1000|ep2d_diff_tra|ADC (10^-6 mm)|DTI 32|T2* GRE|SWI|TOF 3D|PD AX|STIR COR|DSC perf|T2 map"),
        ("none", T2 | {"EchoTime": 0.02}, "PD T2 double echo"),
        ("none", T2 | {"ScanningSequence": "EP_SE"}, "something"),
    ],
)
def test_names_of_many_scanners(sequence, fields, names):
    for name in names.split("|"):
        assert name_of(fields, Description=name) == sequence, name


@pytest.mark.parametrize(
    ("sequence", "fields"),
    [("t1", T1), ("t1c", T1 | AGENT), ("t2", T2), ("flair", FLAIR), ("t1", MPRAGE), ("t1c", MPRAGE | AGENT)],
)
def test_times_alone_rank_below_names(sequence, fields):
    rule = recognise(fields | {"Description": "series 7"}, RULES)
    assert rule["sequence"] == sequence and rule["rank"] == 3


def test_what_nothing_fits():
    assert recognise({"Slices": 30, "Description": "unheard of"}, RULES) is None
    assert recognise({}, RULES) is None


def test_a_name_without_time_of_inversion_is_a_flair():
    assert name_of(SE, Description="Ax FLAIR") == "flair"
    assert name_of(FLAIR, Description="AX FLAIR") == "flair" == name_of(FLAIR, Description="AX FLAIR POST")
    plain, post = (recognise(FLAIR | {"Description": name}, RULES) for name in ("AX FLAIR", "AX FLAIR POST"))
    assert plain["rank"] < post["rank"]


def test_every_row_of_the_table_says_why():
    assert all(rule["comment"] and rule["cells"] for rule in RULES)
    assert {rule["sequence"] for rule in RULES} == {*SEQUENCES, "none"}


def write(path, *rows):
    path.write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return path


def test_cells(tmp_path):
    table = write(
        tmp_path / "mine.tsv",
        ("sequence", "description", "EchoTime", "Coil", "comment"),
        ("t2", "a && !b", "0.1..0.2", "", "both, and within"),
        ("t1", "", "", "-", "no coil named"),
        ("flair", "", "..1", "head", "anything else"),
    )
    rules = read_rules(table)
    assert name_of({"Description": "XA", "EchoTime": 0.1}, rules) == "t2"
    assert name_of({"Description": "XA", "EchoTime": "0.2"}, rules) == "t2"
    assert name_of({"Description": "XA b", "EchoTime": 0.1}, rules) == "t1"
    assert name_of({"Description": "a", "EchoTime": 0.21, "Coil": ["x", "Head"]}, rules) == "flair"
    assert name_of({"Description": "a", "EchoTime": "?", "Coil": "head"}, rules) is None
    assert [rule["row"] for rule in rules] == [2, 3, 4] and rules[0]["rank"] == 1


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        (("t3", "1", "x"), "row 2: sequence is 't3'"),
        (("t1", "first", "x"), "rank is 'first'"),
        (("t1", "1", "(x"), r"column Description: '\(x' is no regular expression"),
        (("t1", "1", ".."), "has no number"),
    ],
)
def test_a_mistake_is_one_line(tmp_path, row, fault):
    table = write(tmp_path / "mine.tsv", ("sequence", "rank", "Description"), row)
    with pytest.raises(TableError, match=fault) as caught:
        read_rules(table)
    assert "\n" not in str(caught.value) and "mine.tsv" in str(caught.value)


def test_a_table_without_rules_or_not_there(tmp_path):
    with pytest.raises(TableError, match="no rule"):
        read_rules(write(tmp_path / "mine.tsv", ("sequence", "Description")))
    with pytest.raises(TableError, match="cannot be read"):
        read_rules(tmp_path / "nothing.tsv")


def test_the_digest_is_of_the_content(tmp_path):
    rows = [("sequence", "Description"), ("t1", "a")]
    first, again = (digest_rules(read_rules(write(tmp_path / name, *rows))) for name in ("one.tsv", "two.tsv"))
    assert first == again != digest_rules(read_rules(write(tmp_path / "one.tsv", *rows, ("t2", "b"))))
