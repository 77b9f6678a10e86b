"""Tests of the verdict whether a source has seen a cohort."""

from pathlib import Path

import pytest

from neurograft.guard.contamination import CohortOrigin, gather_seen, judge_source, list_barred, read_seen
from neurograft.guard.registry import identify, list_releases, read_releases
from neurograft.sources.table import read_sources

CONFIG = Path(__file__).parents[2] / "config"
RELEASES = read_releases(CONFIG)
SOURCES = read_sources(CONFIG / "sources.tsv")


def judge(source, *names, **known):
    people = {name: identify(name, RELEASES) for name in names}
    releases = {name: {one.release, *list_releases(one.person, RELEASES)} - {""} for name, one in people.items()}
    origin = CohortOrigin(releases, **known)
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
        ("brats-mri-segmentation", ["Brats17_CBICA_ABM_1"], "contaminated", "1 of 1 patients are of BraTS2017"),
        (
            "brats-mri-segmentation",
            ["TCGA_DU_A5TR_19970726", "TCGA_HT_7884_19980913"],
            "contaminated",
            "1 of 2 patients are of BraTS2018",
        ),
        (
            "brats-mri-segmentation",
            ["TCGA_HT_7884_19980913"],
            "unknown",
            "TCGA-LGG, which shares patients with BraTS2018",
        ),
        ("brats-mri-segmentation", ["UPENN-GBM-00042_11"], "unknown", "UPENN-GBM, which shares"),
        ("flair-unet", ["Brats18_TCIA10_628_1"], "contaminated", "1 of 1 patients are of TCGA-LGG"),
        ("flair-unet", ["Brats18_2013_11_1"], "unknown", "BraTS2018, which shares"),
        ("BraTS18", ["Brats18_TCIA10_628_1"], "unknown", "nothing is known of BraTS18; give it a row"),
        ("BraTS2018; ?", ["hippocampus_001"], "unknown", "not all named"),
        ("brats-mri-segmentation", ["BraTS-GLI-00001-000"], "unknown", "BraTS2023-GLI, which shares"),
        ("brats-mri-segmentation", ["hippocampus_001"], "clean", "shares none with BraTS2018 by config/releases.tsv"),
        ("brats-mri-segmentation", ["mine"], "unknown", "names can be changed"),
        ("BraTS2023-GLI", ["BraTS2021_00001"], "contaminated", "BraTS2021"),
        ("medicalnet-resnet10", ["mine"], "unknown", "not all named"),
        ("openmind-mae", ["ds004199_sub-00010", "mine"], "contaminated", "1 of 2 patients are of OpenNeuro"),
        ("openmind-mae", ["Brats18_2013_11_1"], "clean", "shares none with OpenNeuro"),
        ("amaes-unet-b", ["BraTS2021_00001"], "contaminated", "BraTS2021"),
        ("amaes-unet-b", ["Brats18_2013_11_1"], "unknown", "BraTS2018, which shares patients"),
        ("amaes-unet-b", ["sub-strokecase0001"], "contaminated", "ISLES2022"),
        ("amaes-unet-b", ["PPMI_3102_T1"], "contaminated", "PPMI"),
        ("amaes-unet-b", ["Utrecht_12", "Amsterdam/GE3T/103"], "contaminated", "2 of 2 patients are of WMH2017"),
        ("amaes-unet-b", ["Center_01_Patient_07"], "contaminated", "MSSEG2016"),
        ("amaes-unet-b", ["hippocampus_001"], "unknown", "not all named"),
        ("brainsegfounder", ["1234567_20252_2_0"], "contaminated", "UK-Biobank"),
        ("brain-id", ["002_S_0413"], "contaminated", "ADNI"),
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
    assert judge("brats-mri-segmentation", "TCGA_HT_7884", "mine", private=True)["verdict"] == "unknown"
    assert judge("medicalnet-resnet10", "IXI002-Guys-0828", "mine", private=True)["verdict"] == "unknown"
    advice = judge("brats-mri-segmentation", "IXI002-Guys-0828", "mine")["reason"]
    assert "names can be changed" in advice and "private" not in advice


def test_simulated_patients_were_never_seen():
    assert judge("brats-mri-segmentation", "phantom001", simulated=True)["verdict"] == "clean"


def test_a_source_that_learnt_from_a_labelled_patient_is_contaminated():
    assert judge("self-masked", "mine", leaking=1)["verdict"] == "contaminated"
    assert judge("efficientnet-lite0", "mine", leaking=1)["verdict"] == "clean"


def test_a_source_without_the_column_is_unlisted():
    assert read_seen({}) == read_seen({"seen": ""}) == ["?"]


def test_a_source_has_seen_what_the_one_has_seen_that_it_was_trained_on_from():
    base = SOURCES["brats-mri-segmentation"]
    made = {"name": "x", "sha256": "made-here", "seen": "own"}
    table = SOURCES | {"x": made | {"location": "rule:masked/brats-mri-segmentation"}}
    assert gather_seen(table["x"], table) == f"{base['seen']}; own"
    assert gather_seen(made | {"location": "rule:shuffled/brats-mri-segmentation", "seen": "none"}, table) == "none"
    assert gather_seen(SOURCES["self-masked"], SOURCES) == "ImageNet; own"
    assert gather_seen(base, SOURCES) == "BraTS2018"


def test_contaminated_sources_are_barred_unless_allowed():
    rows = [judge("brats-mri-segmentation", "Brats18_2013_11_1"), judge("efficientnet-lite0", "mine")]
    assert list(list_barred(rows)) == ["brats-mri-segmentation"]
    assert "allow_contaminated" in list_barred(rows)["brats-mri-segmentation"]
    assert list_barred(rows, allowed=True) == {}


def test_every_set_of_the_table_of_sources_is_known():
    from neurograft.guard.contamination import OWN, UNLISTED, WITHOUT_PATIENTS

    known = {release.name for release in RELEASES} | {OWN, UNLISTED, *WITHOUT_PATIENTS}
    assert {part for row in SOURCES.values() for part in read_seen(row)} <= known


def compared(**changes):
    """What the comparison with the cohort `near` found."""
    shared = [{"name": "A", "own": "x", "own_name": "X"}, {"name": "A2", "own": "", "own_name": ""}]
    found = {"cohort": "near", "learnt_from": 57, "not_compared": 0, "shared": shared, "releases": ["TCGA-LGG"]}
    return found | changes


def test_a_cohort_that_was_compared_is_clean_and_says_whom_it_left_out():
    row = judge("ImageNet; cohort:near", "mine", compared=[compared()])
    assert row["verdict"] == "clean" and row["seen"] == "ImageNet; cohort:near (TCGA-LGG)"
    words = "photographs (ImageNet); it learnt from 57 labelled subjects of the cohort near"
    assert f"{words}, without 2 of patients of yours (A is X)" in row["reason"]
    row = judge("cohort:near", "mine", compared=[compared(shared=[])])
    assert row["reason"] == (
        "it learnt from 57 labelled subjects of the cohort near, none of them a patient of yours by image or name"
    )


def test_a_cohort_that_could_not_be_compared_is_unknown():
    row = judge("cohort:near", "mine", compared=[compared(not_compared=3)])
    assert row["verdict"] == "unknown" and "; 3 of them have no sequence in common with somebody" in row["reason"]
    assert judge("cohort:near", "mine")["verdict"] == "unknown"
    assert judge("cohort:near", "mine", compared=[compared(not_compared=3)], simulated=True)["verdict"] == "clean"


def test_what_a_cohort_started_from_counts_as_before():
    names = ["Brats18_TCIA10_628_1"]
    assert judge("BraTS2018; cohort:near", *names, compared=[compared()])["verdict"] == "contaminated"
    made = {"name": "cohort-near", "sha256": "made-here", "seen": "cohort:near"}
    row = made | {"location": "rule:cohort/brats-mri-segmentation"}
    assert gather_seen(row, SOURCES) == "BraTS2018; cohort:near"
    assert gather_seen(made | {"location": "rule:cohort"}, SOURCES) == "cohort:near"
