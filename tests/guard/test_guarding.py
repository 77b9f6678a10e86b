"""Tests of the guard's whole round."""

from pathlib import Path

import pytest

from helpers.fake_heads import COPIES, encode, make_head
from neurograft.guard import fingerprints, guarding, recognition
from neurograft.guard.cohort_prints import ScanReader
from neurograft.guard.fingerprints import Fingerprint
from neurograft.guard.leaks import Cohort
from neurograft.guard.registry import read_releases
from neurograft.imaging.nifti import write_scans

CONFIG = Path(__file__).parents[2] / "config"
SOURCES = [{"name": "photographs", "seen": "ImageNet"}, {"name": "tumours", "seen": "BraTS2018"}]


def guard(folder, heads, rows=None, files=None, **options):
    """Guard a cohort of heads by name."""
    for name, head in heads.items():
        write_scans(folder / name, {"t1": head})
    rows = rows or [
        {"participant_id": name, "included": "true", "labels": "true", "name": f"P_{name}"} for name in heads
    ]
    reader = ScanReader({name: str(folder / name) for name in heads})
    files = files or {name: {"t1": f"{name}.nii.gz"} for name in heads}
    known = {"registry": str(CONFIG), "sources": SOURCES} | options
    return guarding.guard_cohort(rows, files, reader, guarding.GuardOptions(**known), str(folder / "store"))


@pytest.mark.parametrize("kind", ["moved", "saved"])
def test_each_planted_kind_is_found_with_both_names(tmp_path, kind):
    heads = {"a": make_head(1), "b": make_head(2), "c": COPIES[kind](make_head(1))}
    record, _ = guard(tmp_path, heads)
    assert [(leak["first_file"], leak["second_file"], leak["leak"]) for leak in record["leaks"]] == [
        ("a.nii.gz", "c.nii.gz", True)
    ]
    assert record["leaks"][0]["kind"] == ("same content" if kind == "saved" else "near-duplicate")


def test_a_clean_cohort_has_no_leak_and_what_is_not_known_is_said(tmp_path):
    record, prints = guard(tmp_path, {name: make_head(seed) for seed, name in enumerate("abcd", 1)})
    assert record["leaks"] == [] and record["subjects"] == 4 and record["known"] == {}
    assert [row["verdict"] for row in record["sources"]] == ["clean", "unknown"]
    assert [one.name for one in prints] == ["P_a", "P_b", "P_c", "P_d"]


def test_a_renamed_patient_of_a_release_is_recognised_by_fingerprint(tmp_path):
    _, prints = guard(tmp_path / "public", {"a": make_head(1), "b": make_head(2)})
    fingerprints.write_fingerprints(tmp_path / "BraTS2018.npz", prints)
    heads = {"x": make_head(3), "y": encode(make_head(2))}
    record, _ = guard(tmp_path / "mine", heads, releases=[str(tmp_path / "BraTS2018.npz")], private=True)
    assert record["known"] == {"y": [{"release": "BraTS2018", "person": "P_b of BraTS2018", "by": "fingerprint"}]}
    assert [row["verdict"] for row in record["sources"]] == ["clean", "contaminated"]
    assert record["sources"][1]["patients"] == 1


def test_a_patient_can_be_of_several_releases(tmp_path):
    prints = [Fingerprint("Brats18_2013_11_1", {"t1": "1"}), Fingerprint("Brats18_TCIA10_639_1", {"t1": "2"})]
    fingerprints.write_fingerprints(tmp_path / "BraTS2018.npz", prints)
    rows = {"a": {"name": "TCGA_HT_7884"}, "b": {"name": "TCGA_DU_A5TR"}, "c": {"name": "x"}, "d": {"name": "y"}}
    own = [Fingerprint("a", {"t1": "1"}), Fingerprint("b"), Fingerprint("c", {"t1c": "2"}), Fingerprint("d")]
    releases = read_releases(CONFIG)
    stored = [("BraTS2018", tmp_path / "BraTS2018.npz")]
    known = recognition.recognise(own, Cohort(rows, {}), releases, stored)
    ways = {name: {one["release"]: one["by"] for one in found} for name, found in known.items()}
    elsewhere = dict.fromkeys(("BraTS2017", "BraTS2018", "BraTS2019", "TCGA-LGG"), "another name")
    assert ways == {
        "a": {"TCGA-LGG": "name", "BraTS2018": "fingerprint"},
        "b": elsewhere | {"TCGA-LGG": "name"},
        "c": elsewhere | {"BraTS2018": "fingerprint"},
        "d": {},
    }


def test_unlabelled_scans_of_labelled_patients_are_counted_once(tmp_path):
    heads = {"a": make_head(1), "b": make_head(2), "c": encode(make_head(1))}
    rows = [
        {"participant_id": name, "included": "true", "labels": str(name != "c").lower(), "name": name} for name in heads
    ]
    record, _ = guard(tmp_path, heads, rows=rows, sources=[{"name": "s", "seen": "own"}], pretrained=True)
    assert [(row["verdict"], row["patients"]) for row in record["sources"]] == [("contaminated", 1)]


def test_one_person_under_the_names_of_two_releases_is_a_leak(tmp_path):
    heads = {"a": make_head(1), "b": make_head(2), "c": make_head(3)}
    names = {"a": "mine", "b": "TCGA_DU_A5TR_1997", "c": "Brats18_TCIA10_639_1"}
    rows = [{"participant_id": one, "included": "true", "labels": "true", "name": name} for one, name in names.items()]
    files = {"a": {"t1": "scans/Brats18_TCIA10_628_1_t1.nii.gz"}}
    record, _ = guard(tmp_path, heads, rows=rows, files=files)
    (leak,) = record["leaks"]
    assert (leak["first"], leak["second"], leak["kind"], leak["leak"]) == ("a", "b", "same person", True)
    assert leak["words"].startswith("scans/Brats18_TCIA10_628_1_t1.nii.gz and sub-b are the same person")


def test_excluded_subjects_are_not_looked_at(tmp_path):
    rows = [{"participant_id": "a", "included": "false"}]
    record, _ = guarding.guard_cohort(
        rows, {}, ScanReader({}), guarding.GuardOptions(str(CONFIG), SOURCES), str(tmp_path)
    )
    assert record["subjects"] == 0 and record["leaks"] == []


def test_files_are_named_as_the_user_knows_them_but_not_of_dicom():
    subjects = {
        "a": {"files": {"t1": "a.nii.gz", "labels": "seg.nii.gz"}, "source": "A"},
        "b": {"files": {"t1": "results/t1.nii.gz"}, "source": "pictures/B", "slices": []},
    }
    assert guarding.name_files(subjects, "table") == {"a": {"t1": "a.nii.gz"}, "b": {"": "pictures/B"}}
    assert guarding.name_files(subjects, "dicom") == {}


def test_what_was_compared_with_a_sources_cohort_is_in_the_record(tmp_path):
    found = {"cohort": "near", "learnt_from": 3, "not_compared": 0, "shared": [], "releases": []}
    sources = [{"name": "cohort-near", "seen": "ImageNet; cohort:near"}]
    record, _ = guard(tmp_path, {"a": make_head(1)}, sources=sources, compared=[found])
    assert record["compared"] == [found] and record["sources"][0]["verdict"] == "clean"
    assert "compared" not in guard(tmp_path, {"a": make_head(1)})[0]
