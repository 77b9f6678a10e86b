"""Tests of the table of public releases."""

from pathlib import Path

import pytest

from neurograft.core.tables import TableError
from neurograft.guard.registry import digest_registry, find_stored, identify, list_releases, read_releases

CONFIG = Path(__file__).parents[2] / "config"
HEAD = "name\tpattern\tperson\tholds\tshares\tabout\n"


@pytest.fixture(scope="module")
def releases():
    return read_releases(CONFIG)


@pytest.mark.parametrize(
    ("name", "release", "person"),
    [
        ("Brats18_TCIA10_628_1", "BraTS2018", "TCGA-DU-A5TR"),
        ("TCGA_DU_A5TR_19970726", "TCGA-LGG", "TCGA-DU-A5TR"),
        ("TCGA-06-0138", "TCGA-GBM", "TCGA-06-0138"),
        ("Brats17_CBICA_ABM_1", "BraTS2017", "BraTS1718-CBICA_ABM"),
        ("BraTS20_Training_001_flair.nii.gz", "BraTS2020", "BraTS20-TRAINING_001"),
        ("BraTS2021_00001", "BraTS2021", "BraTS2021-00001"),
        ("BraTS-GLI-00001-000", "BraTS2023-GLI", "BraTS2021-00001"),
        ("BraTS-MET-00110-000", "BraTS2023-other", "BraTS2023-MET_00110"),
        ("UPENN-GBM-00042_11", "UPENN-GBM", "UPENN-GBM-00042"),
        ("hippocampus_389.nii.gz", "MSD-Hippocampus", "MSD-Hippocampus-389"),
        ("BRATS_001.nii.gz", "MSD-BrainTumour", "MSD-BrainTumour-001"),
        ("Te-glTr_0000.jpg", "Kaggle-four-classes", ""),
    ],
)
def test_names_of_public_releases_are_known(releases, name, release, person):
    found = identify(name, releases)
    assert (found.release, found.person) == (release, person)


@pytest.mark.parametrize("name", ["phantom001", "sub-01", "patient_12", "DU_A5TR", "brats", "MR1", "tr-01", "002_S"])
def test_other_names_are_not(releases, name):
    assert identify(name, releases).release == ""


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("A\t(\t\t\t\t\n", "line 2: '\\(' is no regular expression"),
        ("A\ta\t\t\t\t\n", "needs a group"),
        ("A\t(?P<who>a)\t\tB\t\t\n", "names B, which is no release"),
    ],
)
def test_mistakes_in_the_table_are_named(tmp_path, row, words):
    (tmp_path / "releases.tsv").write_text(HEAD + row)
    (tmp_path / "persons.tsv").write_text("name\tperson\n")
    with pytest.raises(TableError, match=words):
        read_releases(tmp_path)


def test_a_missing_column_is_named(tmp_path):
    (tmp_path / "releases.tsv").write_text("name\nA\n")
    (tmp_path / "persons.tsv").write_text("name\tperson\n")
    with pytest.raises(TableError, match="the column pattern is missing"):
        read_releases(tmp_path)


def test_a_person_is_in_every_release_that_has_one_of_his_names(releases):
    assert list_releases("TCGA-DU-A5TR", releases) == ["BraTS2017", "BraTS2018", "BraTS2019", "TCGA-LGG"]
    assert list_releases("TCGA-HT-7884", releases) == ["TCGA-LGG"]
    assert list_releases("OAS1_0001", releases) == ["OASIS"]
    assert list_releases("", releases) == list_releases("mine", releases) == []


@pytest.fixture
def folder(tmp_path):
    """A registry of one release, with its fingerprints."""
    (tmp_path / "releases.tsv").write_text(HEAD + "A\t(?P<who>a)\t\t\t\t\n")
    (tmp_path / "persons.tsv").write_text("name\tperson\n")
    (tmp_path / "releases").mkdir()
    (tmp_path / "releases/A.npz").write_bytes(b"1")
    return tmp_path


def test_stored_fingerprints_belong_to_a_release(folder):
    releases = read_releases(folder)
    stored = folder / "releases/A.npz"
    assert find_stored(folder, [], releases) == [("A", stored)]
    assert find_stored(folder, [str(stored)], releases) == [("A", stored)] * 2
    with pytest.raises(TableError, match=r"there is no file .*missing\.npz; give the path"):
        find_stored(folder, [str(folder / "missing.npz")], releases)
    (folder / "fingerprints.npz").write_bytes(b"1")
    with pytest.raises(TableError, match=r"named after its release, but config/releases\.tsv has no fingerprints"):
        find_stored(folder, [str(folder / "fingerprints.npz")], releases)


def test_what_changes_in_a_registry_changes_its_digest(folder):
    digests = {digest_registry(folder)}
    (folder / "releases/B.npz").write_bytes(b"1")
    digests.add(digest_registry(folder))
    (folder / "releases/B.npz").write_bytes(b"12")
    digests.add(digest_registry(folder))
    (folder / "persons.tsv").write_text("name\tperson\nA-1\tB-1\n")
    assert len(digests | {digest_registry(folder)}) == 4
