"""Label schemes, regions and the one scheme of a cohort."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurograft.core.labels import (
    LABEL_SCHEMES,
    cohort_scheme,
    is_own,
    judged_region,
    labels_from_regions,
    recognise_scheme,
    region_masks,
    region_values,
    regions_of,
    tissues_of,
    write_scheme,
)


def test_each_scheme_names_its_regions():
    assert regions_of("brats2018") == regions_of("brats2023") == ("WT", "TC", "ET")
    assert regions_of("binary") == ("WT",)
    assert region_values("brats2018") == {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}
    assert region_values("brats2023") == {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}


def test_masks_of_a_small_label():
    masks = region_masks(np.array([0, 1, 2, 4]), "brats2018")
    assert {name: mask.tolist() for name, mask in masks.items()} == {
        "WT": [False, True, True, True],
        "TC": [False, True, False, True],
        "ET": [False, False, False, True],
    }


# those whose tissues the regions can tell apart
PLAIN = ("binary", "brats2018", "brats2023", "msd")


@given(st.sampled_from(PLAIN), st.lists(st.integers(0, 3), min_size=1))
def test_masks_and_labels_are_inverse(scheme, picks):
    values = [0, *LABEL_SCHEMES[scheme].values()]
    labels = np.array([values[pick % len(values)] for pick in picks], np.uint8)
    again = labels_from_regions(region_masks(labels, scheme), scheme)
    assert again.dtype == np.uint8 and (again == labels).all()


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1), st.floats(0.05, 0.95))
def test_regions_of_any_probabilities_are_nested(rows, threshold):
    given_ = dict(zip(("WT", "TC", "ET"), np.array(rows).T, strict=True))
    masks = region_masks(labels_from_regions(given_, "brats2018", threshold), "brats2018")
    assert (masks["ET"] <= masks["TC"]).all() and (masks["TC"] <= masks["WT"]).all()
    assert (masks["ET"] == (given_["ET"] >= threshold)).all()
    assert (masks["WT"] == (np.array(rows).max(axis=1) >= threshold)).all()


def test_missing_and_unknown_regions():
    only = {"WT": np.array([0.9, 0.1])}
    assert labels_from_regions(only, "brats2018").tolist() == [2, 0]
    assert labels_from_regions(only, "binary").tolist() == [1, 0]
    for wrong in ({}, {"TC": np.ones(2)}):
        with pytest.raises(ValueError, match="has the regions WT"):
            labels_from_regions(wrong, "binary")


@pytest.mark.parametrize(
    ("values", "naming", "wanted", "expected"),
    [
        ([1, 2, 4], "", "auto", ("brats2018", True)),
        ([1, 2, 3], "", "auto", ("brats2023", True)),
        ([3], "brats2018", "auto", ("brats2023", True)),  # the values overrule the names
        ([1, 2], "brats2023", "auto", ("brats2023", True)),
        ([1, 2, 4], "brats2023", "auto", ("brats2024", True)),  # a cavity and no enhancing tumour
        ([1, 2, 3, 4], "brats2023", "auto", ("brats2024", True)),
        ([1, 2, 3], "brats2024", "auto", ("brats2024", True)),
        ([4], "bratsped", "auto", ("bratsped2024", True)),
        ([1, 2, 3, 4], "", "brats2015", ("brats2015", True)),
        ([1, 2], "", "auto", ("brats2018", False)),
        ([1], "", "auto", ("binary", False)),
        ([1], "", "brats2018", ("brats2018", True)),
        ([], "", "auto", ("", False)),
        ([], "brats2018", "auto", ("brats2018", True)),
    ],
)
def test_scheme_of_values(values, naming, wanted, expected):
    assert recognise_scheme(values, naming, wanted) == expected


@pytest.mark.parametrize(("values", "wanted"), [([3, 5], "auto"), ([255], "auto"), ([1, 2], "binary"), ([-1], "auto")])
def test_unknown_values_are_refused(values, wanted):
    with pytest.raises(ValueError, match="not known"):
        recognise_scheme(values, "", wanted)


def status(scheme, certain=True, labelled=True, included=True):
    return {"included": included, "scheme": scheme, "labels": {"certain": certain} if labelled else None}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([], ""),
        ([status("", labelled=False)], ""),
        ([status("binary", False)] * 3, "binary"),
        ([status("binary", False)] * 3 + [status("brats2023")], "brats2023"),
        ([status("binary", False)] * 3 + [status("brats2018", False)], "brats2018"),
        ([status("brats2018"), status("brats2023"), status("brats2023")], "brats2023"),
        ([status("brats2018", included=False), status("binary", False)], "binary"),
        ([status("brats2023", labelled=False)], "brats2023"),
        ([status("brats2023", labelled=False)] * 2 + [status("brats2018")], "brats2018"),
    ],
)
def test_scheme_of_a_cohort(records, expected):
    assert cohort_scheme(records) == expected


def test_scheme_of_a_cohort_from_its_table():
    rows = [
        {"included": "true", "labels": "true", "scheme": "brats2018"},
        {"included": "true", "labels": "false", "scheme": "brats2023"},
        {"included": "false", "labels": "true", "scheme": "brats2023"},
    ]
    assert cohort_scheme(rows) == "brats2018"


OWN = "anterior=1,posterior=2"


def test_labels_of_the_user_s_own_are_a_scheme():
    assert write_scheme({"anterior": 1, "posterior": 2}) == OWN
    assert tissues_of(OWN) == {"anterior": 1, "posterior": 2} and tissues_of("binary") == {"tumour": 1}
    assert region_values(OWN) == {"all": (1, 2), "anterior": (1,), "posterior": (2,)}
    assert regions_of("lesion=7") == ("lesion",) and region_values("lesion=7") == {"lesion": (7,)}
    assert is_own(OWN) and is_own("lesion=7") and not any(map(is_own, ("", *LABEL_SCHEMES)))
    with pytest.raises(KeyError):
        tissues_of("brats1999")


def test_values_that_the_user_did_not_name_are_refused():
    assert recognise_scheme([1, 2], "brats2018", OWN) == recognise_scheme([], "", OWN) == (OWN, True)
    with pytest.raises(ValueError, match=r"label values 2, 3 are not known \(known: 0 and anterior=1,posterior=2"):
        recognise_scheme([3, 2], "", OWN)


@given(st.lists(st.integers(0, 2), min_size=1))
def test_own_labels_and_their_masks_are_inverse(picks):
    drawn = np.array(picks, np.uint8)
    again = labels_from_regions(region_masks(drawn, OWN), OWN)
    assert again.dtype == np.uint8 and (again == drawn).all()


@given(st.lists(st.tuples(*[st.floats(0, 1)] * 3), min_size=1), st.floats(0.05, 0.95))
def test_own_labels_exclude_each_other_and_the_likeliest_wins(rows, threshold):
    given_ = dict(zip(("all", "anterior", "posterior"), np.array(rows).T, strict=True))
    made = labels_from_regions(given_, OWN, threshold)
    assert (made == 0).tolist() == (np.array(rows).max(axis=1) < threshold).tolist()
    inside = made > 0
    assert (made[inside] == np.where(given_["anterior"] >= given_["posterior"], 1, 2)[inside]).all()


def test_own_labels_of_some_regions_alone():
    assert labels_from_regions({"posterior": np.array([0.6, 0.4])}, OWN).tolist() == [2, 0]
    assert labels_from_regions({"all": np.array([0.6, 0.4])}, OWN).tolist() == [1, 0]
    with pytest.raises(ValueError, match="has the regions all, anterior, posterior"):
        labels_from_regions({"WT": np.ones(2)}, OWN)


def test_the_scheme_of_a_cohort_with_own_labels():
    assert cohort_scheme([status(OWN), status(OWN, labelled=False)]) == OWN
    assert cohort_scheme([{"included": "true", "labels": "true", "scheme": OWN}]) == OWN


@pytest.mark.parametrize(
    ("regions", "judged"),
    [
        ((), "WT"),
        (["", ""], "WT"),
        (["ET", "TC", "WT", ""], "WT"),
        (["posterior", "all", "anterior"], "all"),
        (["lesion", "lesion"], "lesion"),
    ],
)
def test_the_region_that_verdicts_are_about(regions, judged):
    assert judged_region(regions) == judged


@pytest.mark.parametrize(("values", "naming"), [([1, 2, 3, 4], ""), ([3, 4], "brats2018"), ([1, 2, 3], "bratsped")])
def test_values_of_several_meanings_are_asked_for(values, naming):
    with pytest.raises(ValueError, match=r"could be .*2 oedema.* or .*: say which in import_scans.labels"):
        recognise_scheme(values, naming)


def test_a_cavity_is_no_tumour_and_a_cyst_is_core():
    assert region_values("brats2024") == {"WT": (1, 2, 3), "TC": (1, 3), "ET": (3,)}
    assert region_values("bratsped2024") == {"WT": (1, 2, 3, 4), "TC": (1, 2, 3), "ET": (1,)}
    assert region_values("msd") == {"WT": (1, 2, 3), "TC": (2, 3), "ET": (3,)}
