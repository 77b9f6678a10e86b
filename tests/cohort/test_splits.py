"""Patients dealt into folds: nobody on both sides, everybody tested once, whatever the cohort."""

import copy
import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neurograft.candidates import proposal
from neurograft.cohort import splits, validation
from neurograft.core import sequences, split_file
from neurograft.imaging import nifti, resampling
from neurograft.preprocessing import brain_extraction, intensity, registration
from neurograft.preprocessing.registration_engines import align_greedy
from neurograft.simulation import subjects


def cohort(count=12, **columns):
    rows = []
    for index in range(count):
        row = {"participant_id": f"p{index:03d}", "included": "true", "reason": "", "labels": "true"}
        row |= {"sequences": "t1,t1c,t2,flair", "site": "AB"[index % 2], "scheme": "brats2018"}
        rows.append(row | {name: values[index % len(values)] for name, values in columns.items()})
    return rows


def test_every_subject_keeps_a_scheme_of_the_cohorts_regions():
    rows = cohort(5)
    rows[1]["scheme"], rows[2]["scheme"], rows[3]["scheme"] = "brats2023", "", "binary"
    made = splits.split_cohort(rows, folds=2)
    schemes = dict(zip(["p000", "p001", "p002", "p003"], ["brats2018", "brats2023", "brats2018", "brats2018"]))
    assert made["schemes"] == schemes | {"p004": "brats2018"}


def test_folds_as_promised():
    made = splits.split_cohort(cohort(), folds=3, seed=4)
    task = made["tasks"]["segmentation"]
    assert task["trainable"] and task["reason"] == ""
    assert task["regions"] == ["WT", "TC", "ET"] and task["sequences"] == ["t1c", "t2", "flair"]
    assert [len(fold["test"]) for fold in task["folds"]] == [4, 4, 4]
    assert made["scheme"] == "brats2018" and made["seed"] == 4
    assert made["tasks"]["classification"]["classes"] == ["tumour-free", "tumour"]
    assert made["tasks"]["classification"]["folds"] == task["folds"]
    splits.verify_hash(made)


def test_same_seed_same_bytes_and_another_seed_another_order():
    first, again = (splits.split_cohort(cohort(), folds=3, seed=4) for _ in range(2))
    assert first == again
    # the order of the rows is no information
    assert splits.split_cohort(cohort()[::-1], folds=3, seed=4) == first
    other = splits.split_cohort(cohort(), folds=3, seed=5)
    assert other["hash"] != first["hash"]
    assert other["tasks"]["segmentation"]["folds"] != first["tasks"]["segmentation"]["folds"]


@settings(max_examples=40, deadline=None)
@given(st.integers(5, 40), st.integers(2, 5), st.integers(0, 1000), st.integers(1, 3))
def test_every_patient_has_one_role_and_strata_are_spread(count, folds, seed, grades):
    rows = cohort(count, diagnosis=["high-grade", "low-grade", "none"][:grades])
    task = splits.split_cohort(rows, folds=folds, seed=seed)["tasks"]["segmentation"]
    tested = Counter(subject for fold in task["folds"] for subject in fold["test"])
    assert tested == Counter(row["participant_id"] for row in rows)
    diagnosis = {row["participant_id"]: row["diagnosis"] for row in rows}
    for name in set(diagnosis.values()):
        held = [sum(diagnosis[subject] == name for subject in fold["test"]) for fold in task["folds"]]
        assert max(held) - min(held) <= 1
    assert max(len(f["test"]) for f in task["folds"]) - min(len(f["test"]) for f in task["folds"]) <= 1


def test_time_points_of_a_patient_stay_together():
    rows = cohort(16)
    for index, row in enumerate(rows):
        row["participant_id"] = f"BraTSGLI{index // 2:05d}{index % 2:03d}"
    task = splits.split_cohort(rows, folds=4)["tasks"]["segmentation"]
    assert len(set(task["patients"].values())) == 8
    for fold in task["folds"]:
        assert not {s[:-3] for s in fold["test"]} & {s[:-3] for s in fold["train"]}
    # an unlabelled scan may be of a labelled patient, which whoever adapts to it has to know
    rows[0]["labels"] = "false"
    task = splits.split_cohort(rows, folds=4)["tasks"]["segmentation"]
    assert task["unlabelled"] == ["BraTSGLI00000000"]
    assert task["patients"]["BraTSGLI00000000"] == task["patients"]["BraTSGLI00000001"]
    named = cohort(16, patient=["a", "b", "c", "d", "e"])
    task = splits.split_cohort(named, folds=4)["tasks"]["segmentation"]
    assert set(task["patients"].values()) == set("abcde")


def test_sites_are_left_out_whole_and_named():
    rows = cohort(13, site=["A", "B", "C"])
    rows[12]["site"] = ""
    task = splits.split_cohort(rows, folds=3)["tasks"]["segmentation"]
    assert [fold["name"] for fold in task["sites"]] == ["A", "B", "C"]
    home = {row["participant_id"]: row["site"] for row in rows}
    for fold in task["sites"]:
        assert {home[subject] for subject in fold["test"]} == {fold["name"]}
        assert {home[subject] for subject in fold["train"]} == {"A", "B", "C"} - {fold["name"]}
    assert sum(len(fold["test"]) for fold in task["sites"]) == 12
    one = splits.split_cohort(cohort(6, site=["A"]), folds=2)["tasks"]["segmentation"]
    assert one["trainable"] and one["sites"] == []


def test_a_patient_of_two_sites_is_on_one_side():
    rows = cohort(12, patient=list("abcdef"), site=["A", "B", "C", "A", "B", "C", "B", "C", "A", "A", "B", "C"])
    task = splits.split_cohort(rows, folds=3)["tasks"]["segmentation"]
    for fold in task["sites"]:
        assert not {task["patients"][s] for s in fold["test"]} & {task["patients"][s] for s in fold["train"]}


def test_from_one_site_to_another():
    rows = cohort(12, site=["A", "B", "C"])
    between = {"train": ["A", "C"], "test": ["B"]}
    task = splits.split_cohort(rows, folds=3, between=between)["tasks"]["segmentation"]
    (fold,) = task["between"]
    assert fold["name"] == "A, C to B" and fold["test"] == ["p001", "p004", "p007", "p010"] and len(fold["train"]) == 8
    nobody = splits.split_cohort(rows, folds=3, between={"train": ["A"], "test": ["Z"]})
    assert nobody["tasks"]["segmentation"]["between"] == []
    made = splits.split_cohort(rows, folds=3, between=between)
    order = splits.training_subjects(made, "segmentation", 0, 3, 1, "between")
    assert len(order) == 3 and set(order) < set(fold["train"])


def tumour_free(subjects):
    return splits.QualityFindings(tumour_free=subjects)


def test_prefixes_are_nested_and_drawn_anew_by_each_seed():
    made = splits.split_cohort(cohort(), tumour_free({"p000", "p003", "p006"}), folds=3)
    whole = splits.training_subjects(made, "segmentation", 0)
    assert whole == made["tasks"]["segmentation"]["folds"][0]["train"]
    for seed in range(3):
        sets = [set(splits.training_subjects(made, "segmentation", 0, n, seed)) for n in (2, 4, 8)]
        assert sets[0] < sets[1] < sets[2] == set(whole)
    orders = {tuple(splits.training_subjects(made, "segmentation", 0, "all", seed)) for seed in range(4)}
    assert len(orders) == 4
    with pytest.raises(ValueError, match="has 8 training subjects, not 9"):
        splits.training_subjects(made, "segmentation", 0, 9)


def test_prefixes_hold_the_strata_in_proportion():
    rows = cohort(40, diagnosis=["high-grade"])
    free = {f"p{index:03d}" for index in range(0, 40, 4)}
    task = splits.split_cohort(rows, tumour_free(free), folds=2)["tasks"]["segmentation"]
    for fold in task["folds"]:
        for n in (4, 8, 12, 20):
            assert abs(len(free & set(fold["train"][:n])) - n / 4) <= 1


def test_the_quality_table_says_who_is_at_fault_and_who_has_no_tumour():
    rows = [
        {"subject": "p1", "flags": "a; b", "tumour_free": "false"},
        {"subject": "p2", "flags": "", "tumour_free": "true"},
        {"subject": "p3", "flags": "", "tumour_free": ""},
    ]
    quality = splits.QualityFindings.from_table(rows)
    assert quality.flags == {"p1": ["a; b"]} and list(quality.tumour_free) == ["p2"]
    assert splits.QualityFindings.from_table([]) == splits.QualityFindings({}, [])


def test_who_is_left_out_and_why():
    rows = cohort(14)
    rows[0]["labels"] = "false"
    rows[1] |= {"included": "false", "reason": "damaged"}
    rows[2]["sequences"] = "t1"
    rows[0]["sequences"], rows[4]["sequences"] = "flair,t1", "t1,t1c"
    made = splits.split_cohort(
        rows, splits.QualityFindings({"p003": ["registration failed: 0.1", "empty mask"]}), folds=3
    )
    task = made["tasks"]["segmentation"]
    assert task["left_out"] == {
        "p002": "lacks t1c, t2, flair",
        "p003": "quality: registration failed: 0.1; empty mask",
    }
    assert task["incomplete"] == {"p000": ["t1c", "t2"], "p004": ["t2", "flair"]}
    # flagged, and so neither trained on nor scored, but predicted
    assert task["unlabelled"] == ["p000", "p003"] and "p004" in task["subjects"]
    bare = splits.QualityFindings({"p003": ["the brain mask is empty"]})
    assert splits.split_cohort(rows, bare, folds=3)["tasks"]["segmentation"]["unlabelled"] == ["p000"]
    assert len(task["subjects"]) == 10 and not {"p000", "p001", "p002", "p003"} & set(task["subjects"])


@pytest.mark.parametrize(
    ("present", "expected"),
    [
        ("t1,t1c,t2,flair", ["t1c", "t2", "flair"]),
        ("t1,flair", ["flair", "t1"]),
        ("t1", ["t1"]),
        ("t1c,t2", ["t1c", "t2"]),
    ],
)
def test_channels_by_the_rule(present, expected):
    rows = [row | {"sequences": present} for row in cohort()]
    assert splits.split_cohort(rows, folds=3)["tasks"]["segmentation"]["sequences"] == expected
    assert splits.split_cohort(rows[::-1], folds=2) == splits.split_cohort(rows, folds=2)
    asked = splits.split_cohort(cohort(), folds=3, sequences=["flair", "t1"])
    assert asked["tasks"]["segmentation"]["sequences"] == ["flair", "t1"]


def test_a_sequence_that_half_have_is_used_and_the_others_are_named():
    rows = cohort(12)
    for row in rows[:6]:
        row["sequences"] = "t1c,flair"
    task = splits.split_cohort(rows, folds=3)["tasks"]["segmentation"]
    assert task["sequences"] == ["t1c", "t2", "flair"] and len(task["subjects"]) == 12 and not task["left_out"]
    assert task["incomplete"] == {row["participant_id"]: ["t2"] for row in rows[:6]}
    rows[6]["sequences"] = "t1c,flair"
    task = splits.split_cohort(rows, folds=3)["tasks"]["segmentation"]
    assert task["sequences"] == ["t1c", "flair"] and not task["left_out"] and "incomplete" not in task


def test_too_few_or_no_labels_is_one_line_not_an_error():
    few = splits.split_cohort(cohort(4), folds=5)["tasks"]["segmentation"]
    assert not few["trainable"] and few["folds"] == []
    assert few["reason"].startswith("4 usable labelled patients, at least 5 are needed for 5 folds")
    rows = [row | {"labels": "false"} for row in cohort(4)]
    none = splits.split_cohort(rows, folds=2)["tasks"]["segmentation"]
    assert none["reason"].startswith("0 usable") and len(none["unlabelled"]) == 4
    assert not splits.split_cohort([], folds=2)["tasks"]["segmentation"]["trainable"]
    free = splits.split_cohort(cohort(6), tumour_free({f"p{i:03d}" for i in range(6)}), folds=2)
    assert free["tasks"]["segmentation"]["reason"] == "no labelled subject has a tumour"


def test_an_unlabelled_cohort_still_has_channels_to_report():
    rows = [row | {"labels": "false", "scheme": ""} for row in cohort(3)]
    made = splits.split_cohort(rows, folds=2)
    splits.verify_hash(made)
    for task in made["tasks"].values():
        assert not task["trainable"] and task["sequences"] == ["t1c", "t2", "flair"] and not task["left_out"]


def test_classification_of_a_column():
    rows = cohort(13, diagnosis=["high-grade", "low-grade", "none"])
    rows[12]["diagnosis"] = "n/a"
    rows[11]["diagnosis"] = "metastasis"
    made = splits.split_cohort(rows, folds=3, target="diagnosis")
    task = made["tasks"]["classification"]
    assert task["classes"] == ["high-grade", "low-grade", "none"] and task["target"] == "diagnosis"
    assert task["unlabelled"] == ["p012"] and task["left_out"] == {"p011": "only 1 with metastasis"}
    assert len(made["tasks"]["segmentation"]["subjects"]) == 13
    single = splits.split_cohort(cohort(8, diagnosis=["none"]), folds=2, target="diagnosis")
    assert "fewer than 2 classes" in single["tasks"]["classification"]["reason"]
    with pytest.raises(ValueError, match="no column 'grad'; it has diagnosis, included, labels"):
        splits.split_cohort(rows, target="grad")


def test_requests_no_cohort_can_meet():
    with pytest.raises(ValueError, match="at least 2"):
        splits.split_cohort(cohort(), folds=1)
    with pytest.raises(ValueError, match="pet"):
        splits.split_cohort(cohort(), sequences=["pet"])


def test_a_tampered_split_is_refused():
    made = splits.split_cohort(cohort(), folds=3)
    leaking = copy.deepcopy(made)
    fold = leaking["tasks"]["segmentation"]["folds"][1]
    fold["train"].append(fold["test"][0])
    with pytest.raises(ValueError, match=r"segmentation, fold 1 of folds: \['p\d+'\] are in training and test"):
        splits.assert_disjoint(leaking)
    with pytest.raises(ValueError, match="was changed"):
        splits.verify_hash(leaking)
    forgotten = copy.deepcopy(made)
    forgotten["tasks"]["segmentation"]["folds"][0]["train"].pop()
    with pytest.raises(ValueError, match="not the labelled subjects"):
        splits.assert_disjoint(forgotten)
    both = copy.deepcopy(made)
    both["tasks"]["segmentation"]["unlabelled"].append("p000")
    with pytest.raises(ValueError, match="in the folds and outside"):
        splits.assert_disjoint(both)


SUBSETS = [names for count in range(1, 5) for names in itertools.combinations(sequences.SEQUENCES, count)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One simulated patient with a tumour at 4 mm, stripped by its known truth: sequence, or labels, to file."""
    folder = tmp_path_factory.mktemp("patient")
    scans, truth = subjects.simulate_subject(2, seed=5, spacing=4.0)
    for name in sequences.SEQUENCES:
        back = np.linalg.inv(truth["motion"][name])
        brain = resampling.resample(truth["brain"], scans[name].shape, scans[name].affine, back, order=0)
        data = np.asanyarray(scans[name].dataobj) * (np.asanyarray(brain.dataobj) > 0)
        scans[name] = nifti.image(data, scans[name].affine)
    for name, scan in scans.items():
        nifti.write_image(folder / f"{name}.nii.gz", scan)
    return {name: str(folder / f"{name}.nii.gz") for name in scans}


@pytest.fixture(scope="module")
def engine():
    """Greedy, which aligns a pair once: most subsets share their pairs."""
    known = {}

    def align(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
        pair = (np.asanyarray(one.dataobj).tobytes() + one.affine.tobytes() for one in (fixed, moving))
        key = (kind, *map(hash, pair))
        if key not in known:
            known[key] = align_greedy(fixed, moving, kind, fixed_mask, moving_mask)
        return known[key]

    return align


@pytest.fixture(scope="module")
def template():
    return registration.load_template("MNI152", 4.0)


def preprocess(files, subset, engine, template, monkeypatch):
    """Do what the scripts do, step by step; without T1c in the patient's own space, which saves seconds."""
    named = "MNI152" if "t1c" in subset else "none"
    monkeypatch.setitem(registration.REGISTRATION_ENGINES, "once", {"linear": engine})
    given = {name: files[name] for name in (*subset, "labels") if name in subset or "t1c" in subset}
    found = {"name": "a", "site": "", "columns": {}, "problems": [], "notes": [], "scheme": "", "files": given}
    status, scans = validation.import_scans("a", found, "table", template=named)
    assert status["included"], status["reason"]
    stripped = {name: file["stripped"] for name, file in status["sequences"].items()}
    masks, seen, _ = brain_extraction.strip_skull(scans, stripped, status["reference"])
    registered, record = registration.register_scans(
        scans,
        masks,
        registration.PriorAlignment.from_status(status),
        template if "t1c" in subset else None,
        registration.RegistrationOptions("once", spacing=4.0),
    )
    normalized, scaled = intensity.normalize_intensity(registered)
    flags = [*seen["flags"], *record["flags"], *scaled["flags"]]
    return status, normalized, registered, flags


@pytest.mark.parametrize("subset", SUBSETS, ids="-".join)
def test_a_subset_passes_whole(files, subset, engine, template, monkeypatch):
    status, normalized, registered, flags = preprocess(files, subset, engine, template, monkeypatch)
    assert tuple(status["sequences"]) == subset and flags == []
    others = [name for name in subset if name != status["reference"]]
    steps = [f"align {', '.join(others)} to {status['reference']}"] if not status["coregistered"] else []
    steps += ["align t1c to the template MNI152"] if "t1c" in subset else []
    assert status["will_do"] == ("; ".join(steps) or "nothing to strip or to align")
    cut, labels, index = intensity.cut_slices(normalized, registered.get("labels"))
    assert index["sequences"] == list(subset) and cut.shape[1] == len(subset)
    brain = np.asanyarray(normalized["brain"].dataobj)[tuple(slice(*ends) for ends in index["box"])].transpose(2, 0, 1)
    for channel in range(len(subset)):
        own = cut[:, channel][brain > 0].astype(float)
        # every channel is a scan: it fills the brain, and no two are the same
        assert np.mean(own != 0) > 0.9 and len(np.unique(own)) > 100
        assert all(not np.array_equal(cut[:, channel], cut[:, other]) for other in range(channel))
    assert (labels is None) == ("t1c" not in subset)
    scans = {name: normalized[name] for name in subset}
    ranked, table, record, _ = proposal.propose_candidates(
        scans, normalized["brain"], registered.get("labels"), proposal.ProposalOptions(segments=500)
    )
    assert record["sequences"] == list(subset) and record["flags"] == [] and len(table)
    assert {name for name in sequences.SEQUENCES if f"z_{name}" in table} == set(subset)
    assert int(np.asanyarray(ranked.dataobj).max()) == len(table)


def test_own_labels_are_split_for_segmentation_and_make_no_classes_of_slices():
    rows = [row | {"scheme": "anterior=1,posterior=2", "sequences": "mri"} for row in cohort(8)]
    tasks = splits.split_cohort(rows, folds=2)["tasks"]
    segment, classify = tasks["segmentation"], tasks["classification"]
    assert segment["trainable"] and segment["regions"] == ["all", "anterior", "posterior"]
    assert segment["sequences"] == ["mri"] and len(segment["folds"]) == 2
    assert not classify["trainable"] and "name a column" in classify["reason"] and classify["folds"] == []
    free = splits.QualityFindings(tumour_free=[row["participant_id"] for row in rows])
    assert "has any of the labels" in splits.split_cohort(rows, free, folds=2)["tasks"]["segmentation"]["reason"]


def test_own_sequences_are_channels_in_their_order_after_the_known_ones():
    rows = [row | {"sequences": "t2,pd,dwi" if k else "pd"} for k, row in enumerate(cohort(8))]
    assert splits.split_cohort(rows, folds=2)["tasks"]["segmentation"]["sequences"] == ["t2", "pd", "dwi"]
    assert splits.split_cohort(rows[::-1], folds=2) == splits.split_cohort(rows, folds=2)
    asked = splits.split_cohort(rows, folds=2, sequences=["dwi"])["tasks"]["segmentation"]
    assert asked["sequences"] == ["dwi"] and len(asked["left_out"]) == 1
    with pytest.raises(ValueError, match="known are t1, t1c, t2, flair, pd, dwi"):
        splits.split_cohort(rows, folds=2, sequences=["mri"])


def test_repeats_divide_the_same_patients_anew_and_the_first_partition_stays():
    rows = cohort(12, patient=[f"person{number}" for number in range(6)], site=["A"])
    once, thrice = (splits.split_cohort(rows, folds=3, seed=4, repeats=repeats) for repeats in (1, 3))
    task = thrice["tasks"]["segmentation"]
    assert [split_file.repeat_of(fold) for fold in task["folds"]] == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    first = [{side: fold[side] for side in ("test", "train")} for fold in task["folds"][:3]]
    # of one partition nothing says that it is one
    assert first == once["tasks"]["segmentation"]["folds"] and task["sites"] == once["tasks"]["segmentation"]["sites"]
    tests = [tuple(fold["test"]) for fold in task["folds"]]
    assert len(set(tests)) == 9
    for start in (0, 3, 6):
        assert sorted(sum(tests[start : start + 3], ())) == task["subjects"]
    for test in tests:  # time points of one person stay together
        assert len({task["patients"][subject] for subject in test}) == 2 and len(test) == 4
    assert split_file.map_repeats(task) == {("folds", fold): fold // 3 for fold in range(3, 9)}
    assert split_file.map_repeats(once["tasks"]["segmentation"]) == {} and split_file.count_repeats([]) == 1
    splits.verify_hash(thrice)


def test_where_patients_can_be_divided_in_one_way_alone_they_are_divided_so_again():
    rows = cohort(4, diagnosis=["glioma", "glioma", "meningioma", "meningioma"], site=["A", "B", "A", "B"])
    folds = splits.split_cohort(rows, folds=2, repeats=8)["tasks"]["segmentation"]["folds"]
    assert len(folds) == 16 and 2 <= len({tuple(fold["test"]) for fold in folds}) <= 4


def test_a_repeat_that_tests_somebody_twice_is_found_and_none_is_refused():
    made = splits.split_cohort(cohort(), folds=3, repeats=2)
    broken = copy.deepcopy(made)
    first, second = broken["tasks"]["segmentation"]["folds"][3:5]
    moved = next(subject for subject in first["test"] if subject not in second["test"])
    second["test"].append(moved)
    second["train"].remove(moved)
    with pytest.raises(ValueError, match="tested exactly once"):
        splits.assert_disjoint(broken)
    with pytest.raises(ValueError, match="repeats: 0 makes no folds"):
        splits.split_cohort(cohort(), repeats=0)


def test_control_splits_are_made_on_demand_and_change_nothing_else():
    rows = cohort(12, diagnosis=["high-grade", "low-grade"])
    options = {"folds": 3, "seed": 4, "target": "diagnosis"}
    usual = splits.split_cohort(rows, **options)
    made = splits.split_cohort(rows, **options, by_slice="parts", unit="slice")
    before, after = (split["tasks"]["classification"] for split in (usual, made))
    assert "slices" not in before and "unit" not in before
    assert {name: after[name] for name in before} == before and after["unit"] == "slice"
    assert len(after["slices"]) == 3 and after["own"] == []
    assert splits.list_folds(after, "slices-random-labels") == after["slices"]
    assert splits.list_folds(after, "folds-random-labels") == after["folds"]
    assert splits.list_folds(before, "slices") == []
    assert made["tasks"]["segmentation"] == usual["tasks"]["segmentation"]
    splits.assert_disjoint(made)


def test_pictures_of_a_patient_may_be_on_both_sides_of_a_control_and_of_nothing_else():
    rows = [row | {"patient": f"P{index // 3}"} for index, row in enumerate(cohort(36, part=["train", "test"]))]
    for index, row in enumerate(rows):
        row["diagnosis"] = ["high-grade", "low-grade"][index // 3 % 2]
    made = splits.split_cohort(rows, folds=3, target="diagnosis", by_slice="subjects")
    task = made["tasks"]["classification"]
    owner = task["patients"]
    for fold in (*task["slices"], *task["own"]):
        assert not set(fold["test"]) & set(fold["train"])
        assert {owner[s] for s in fold["test"]} & {owner[s] for s in fold["train"]}
    assert sorted(task["own"][0]["test"]) == [row["participant_id"] for row in rows if row["part"] == "test"]
    task["slices"][0]["train"].append(task["slices"][0]["test"][0])
    with pytest.raises(ValueError, match="fold 0 of slices: .* are in training and test"):
        splits.assert_disjoint(made)


def test_a_classification_that_cannot_be_trained_has_no_control_splits_either():
    made = splits.split_cohort(cohort(3), folds=3, by_slice="parts")
    task = made["tasks"]["classification"]
    assert not task["trainable"] and task["slices"] == task["own"] == []
