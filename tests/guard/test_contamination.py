"""Tests of the verdict whether a source has seen a cohort."""

from pathlib import Path

import pytest

from neurograft.guard.contamination import CohortOrigin, judge_source, list_barred, read_seen
from neurograft.guard.registry import identify, read_releases
from neurograft.sources.table import read_sources

CONFIG = Path(__file__).parents[2] / "config"
RELEASES = read_releases(CONFIG / "releases.tsv", CONFIG / "persons.tsv")
SOURCES = read_sources(CONFIG / "sources.tsv")


def judge(source, *names, **known):
    origin = CohortOrigin({name: identify(name, RELEASES) for name in names}, **known)
    row = SOURCES.get(source) or {"name": "x", "seen": source}
    return judge_source(row, origin, RELEASES)


@pytest.mark.parametrize(
    ("source", "names", "verdict", "words"),
    [
        ("efficientnet-lite0", ["Brats18_TCIA10_628_1"], "clean", "photographs"),
        (
            "brats-mri-segmentation",
            ["Brats18_TCIA10_628_1", "mine"],
            "contaminated",
            "1 of 2 patients are of BraTS2018",
        ),
        ("brats-mri-segmentation", ["Brats17_TCIA10_628_1"], "contaminated", "BraTS2017"),
        (
            "brats-mri-segmentation",
            ["TCGA_DU_A5TR_19970726"],
            "unknown",
            "TCGA-LGG, which shares patients with BraTS2018",
        ),
        ("brats-mri-segmentation", ["BraTS-GLI-00001-000"], "unknown", "BraTS2023-GLI, which shares"),
        ("brats-mri-segmentation", ["hippocampus_001"], "clean", "shares no patient"),
        ("brats-mri-segmentation", ["mine"], "unknown", "names can be changed"),
        ("BraTS2023-GLI", ["BraTS2021_00001"], "contaminated", "BraTS2021"),
        ("medicalnet-resnet10", ["mine"], "unknown", "not all named"),
        ("self-masked", ["mine"], "clean", "unlabelled scans of this cohort"),
        ("shuffled-lite0", ["mine"], "clean", "random"),
    ],
)
def test_verdicts(source, names, verdict, words):
    row = judge(source, *names)
    assert row["verdict"] == verdict and words in row["reason"]
    assert bool(row["patients"]) == (verdict == "contaminated")


def test_what_the_user_states_counts_unless_it_is_wrong():
    assert judge("brats-mri-segmentation", "mine", private=True)["verdict"] == "clean"
    assert judge("medicalnet-resnet10", "mine", private=True)["verdict"] == "clean"
    assert judge("brats-mri-segmentation", "Brats18_2013_11_1", private=True)["verdict"] == "contaminated"


def test_simulated_patients_were_never_seen():
    assert judge("brats-mri-segmentation", "phantom001", simulated=True)["verdict"] == "clean"


def test_a_source_that_learnt_from_a_labelled_patient_is_contaminated():
    assert judge("self-masked", "mine", leaking=1)["verdict"] == "contaminated"
    assert judge("efficientnet-lite0", "mine", leaking=1)["verdict"] == "clean"


def test_a_source_without_the_column_is_unlisted():
    assert read_seen({}) == read_seen({"seen": ""}) == ["?"]


def test_contaminated_sources_are_barred_unless_allowed():
    rows = [judge("brats-mri-segmentation", "Brats18_2013_11_1"), judge("efficientnet-lite0", "mine")]
    assert list(list_barred(rows)) == ["brats-mri-segmentation"]
    assert "allow_contaminated" in list_barred(rows)["brats-mri-segmentation"]
    assert list_barred(rows, allowed=True) == {}


def test_every_set_of_the_table_of_sources_is_known():
    from neurograft.guard.contamination import OWN, UNLISTED, WITHOUT_PATIENTS

    known = {release.name for release in RELEASES} | {OWN, UNLISTED, *WITHOUT_PATIENTS}
    assert {part for row in SOURCES.values() for part in read_seen(row)} <= known
