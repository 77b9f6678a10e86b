"""The tables of what transfer bought and changed, from cells whose truth was made up."""

import numpy as np
import pytest

from helpers.fake_assessment import COHORT, NAMES, SITES, SPLIT, run, straight
from helpers.fake_cases import CELL
from neurograft.core import files
from neurograft.evaluation import assessment


def assess(made, split=SPLIT, cohort=COHORT):
    """Every table, by way of files as the workflow writes them."""
    folders, scores = made
    found = assessment.assess_transfer(assessment.read_networks(folders), scores, split, cohort)
    assert set(found) == set(assessment.COLUMNS)
    for name, rows in found.items():
        assert all(set(assessment.COLUMNS[name]) >= set(row) - EXTRA for row in rows), name
    return found


# what library functions give beside the columns
EXTRA = {"saved", "n", "folds", "p", "detectable"}


def test_labels_saved_are_read_off_scratch_s_curve(tmp_path):
    found = assess(run(tmp_path, numbers=("4", "8", "all"), quality=straight))["labels_saved"]
    rows = {row["n"]: row for row in found}
    assert set(rows) == {"4", "8", "all"} and {row["strategy"] for row in found} == {"frozen"}
    assert rows["4"]["needed"] == pytest.approx(8) and rows["4"]["saved"] == pytest.approx(4)
    # all are 16 training patients here: scratch at 16 is what the other reaches with 8
    assert rows["8"]["needed"] == pytest.approx(16) and rows["8"]["patients"] == 20
    assert rows["all"]["answer"] == "not reached" and rows["all"]["saved"] == np.inf


def test_labels_saved_take_another_source_s_scratch_where_the_own_has_none(tmp_path):
    folders, scores = run(tmp_path, ("scratch",), ("4", "8"), quality=straight)
    others = run(tmp_path, ("frozen",), ("4", "8"), source="other", quality=straight)
    found = assess((folders + others[0], scores + others[1]))
    (row,) = [row for row in found["labels_saved"] if row["n"] == "4"]
    assert row["source"] == "other" and row["needed"] == pytest.approx(8)
    assert {row["source"] for row in found["time_saved"]} == {"other"}


def test_time_is_to_scratch_s_arrival_in_the_same_fold(tmp_path):
    slow, quick = {"arrival": 30, "seconds": 2.0}, {"arrival": 10, "seconds": 3.0}
    found = assess(run(tmp_path, scratch=slow, frozen=quick))["time_saved"]
    assert [row["fold"] for row in found] == [0, 1, 2, 3, 4]
    for row in found:
        assert row["steps_saved"] == row["steps_scratch"] - row["steps"] == 20
        assert row["seconds_saved"] == 2 * row["steps_scratch"] - 3 * row["steps"]


def test_a_planted_overfit_network_is_warned_of_and_no_other(tmp_path):
    found = assess(run(tmp_path, ("scratch", "fine-tune"), **{"fine-tune": {"leak": 4.0}}))["overfitting"]
    assert {(row["strategy"], row["warning"]) for row in found} == {("scratch", False), ("fine-tune", True)}
    assert len(found) == 10 and "fine-tune from s" in found[-1]["reason"]


def test_a_planted_leak_is_found_and_no_other(tmp_path):
    found = assess(run(tmp_path, ("scratch", "fine-tune"), **{"fine-tune": {"leak": 0.05}}))["privacy"]
    verdicts = {row["strategy"]: row["verdict"] for row in found}
    assert verdicts == {"scratch": "no evidence", "fine-tune": "members can be told"}
    assert (found[0]["networks"], found[0]["members"], found[0]["outsiders"]) == (5, 80, 20)


def test_changes_are_averaged_over_cells(tmp_path):
    found = assess(run(tmp_path, ("fine-tune", "frozen")))
    layers = {(row["strategy"], row["layer"]): row for row in found["layers"]}
    tuned, frozen = layers["fine-tune", "encoder.a"], layers["frozen", "encoder.a"]
    assert tuned["change"] == pytest.approx(0.3) and tuned["cells"] == 5 and tuned["trained"] == 1
    assert frozen["change"] == 0 and frozen["trained"] == 0 and np.isnan(frozen["statistics_change"])
    assert (tuned["stage"], tuned["part"], layers["frozen", "top.b"]["stage"]) == ("1", "encoder", "")
    features = {row["strategy"]: row for row in found["features"]}
    assert [features["fine-tune"][name] for name in ("cka", "low", "high")] == pytest.approx([0.8, 0.6, 1.0])
    assert features["frozen"]["low"] == 1 and features["frozen"]["cells"] == 5


def elsewhere(root, numbers=("8",), owner=SITES):
    """An experiment whose scratch loses 0.2 at an unseen site, and the other 0.05."""

    def quality(loss):
        return lambda strategy, size, name: 0.8 - loss[strategy] + 0.002 * NAMES.index(name) * (1 + loss[strategy])

    inside = run(root, numbers=numbers, quality=quality({"scratch": 0, "frozen": 0}))
    across = run(root, numbers=numbers, split="sites", owner=owner, quality=quality({"scratch": 0.2, "frozen": 0.05}))
    return inside[0] + across[0], inside[1] + across[1]


def test_what_is_lost_at_another_site(tmp_path):
    scratch, frozen = assess(elsewhere(tmp_path))["generalisation"]
    assert (scratch["strategy"], frozen["strategy"]) == ("scratch", "frozen")
    assert scratch["mean"] == pytest.approx(0.2, abs=0.01) and frozen["mean"] == pytest.approx(0.05, abs=0.01)
    assert frozen["in_site"] - frozen["cross_site"] == pytest.approx(frozen["mean"])
    assert frozen["less"] == pytest.approx(scratch["mean"] - frozen["mean"])
    assert 0 < frozen["less_low"] < frozen["less"] < frozen["less_high"] and "less" not in scratch
    assert (frozen["patients"], frozen["sites"], frozen["reason"]) == (20, 4, "")


def test_generalisation_is_refused_where_all_is_another_number(tmp_path):
    """15 and 16 are as many; with one large site, a network that does not see it has 5."""
    even = assess(elsewhere(tmp_path / "even", ("all",)))["generalisation"]
    assert [row["reason"] for row in even] == ["", ""]
    owner = {name: "A" if k < 14 else SITES[name] for k, name in enumerate(NAMES)}
    cohort = [row | {"site": owner[row["participant_id"]]} for row in COHORT]
    named, all_ = [
        assess(elsewhere(tmp_path / n, (n,), owner), cohort=cohort)["generalisation"][1] for n in ("4", "all")
    ]
    assert named["reason"] == "" and named["mean"] == pytest.approx(0.05, abs=0.01)
    assert np.isnan(all_["mean"]) and np.isnan(all_["less"]) and "5 to 19 training patients" in all_["reason"]


def test_groups_of_patients_are_compared(tmp_path):
    """Women, the later half of the names, are older and segmented worse."""

    def unfair(strategy, size, name):
        return (0.9 if NAMES.index(name) < 10 else 0.6) + 0.001 * NAMES.index(name)

    found = assess(run(tmp_path, ("frozen",), quality=unfair))["fairness"]
    rows = {row["attribute"]: row for row in found}
    assert rows["sex"]["worst"] == "F" and rows["sex"]["p_adjusted"] < 0.01
    assert rows["age group"]["groups"].startswith("40 to 59") and rows["age group"]["reason"]
    assert "fewer than two groups" in rows["site"]["reason"]
    assert all(row["strategy"] == "frozen" for row in found)


def test_small_tumours_and_grades_are_compared_too(tmp_path):
    """The small tumours, every second name, are segmented worse; grades do not differ."""

    def unfair(strategy, size, name):
        return (0.9 if NAMES.index(name) % 2 else 0.6) + 0.0001 * NAMES.index(name)

    cohort = [row | {"tumor_grade": "23"[k // 2 % 2]} for k, row in enumerate(COHORT)]
    volumes = {name: 50.0 if k % 2 else 2.0 for k, name in enumerate(NAMES)}
    folders, scores = run(tmp_path, ("frozen",), quality=unfair)
    networks = assessment.read_networks(folders)
    found = assessment.assess_transfer(networks, scores, SPLIT, cohort, volumes=volumes)["fairness"]
    rows = {row["attribute"]: row for row in found}
    assert rows["tumour size"]["worst"] == "smaller half" and rows["tumour size"]["p_adjusted"] < 0.01
    assert rows["grade"]["patients"] == 20 and rows["grade"]["p_adjusted"] > 0.2


def test_time_points_of_one_patient_are_one_patient(tmp_path):
    twins = {"patients": {name: f"q{k // 2}" for k, name in enumerate(NAMES)}}
    split = {"tasks": {"segmentation": twins, "classification": {"patients": {}}}}
    found = assess(run(tmp_path, numbers=("4", "8"), quality=straight), split)
    assert {row["patients"] for row in found["labels_saved"]} == {10}


def test_classifiers_have_every_table_but_that_of_time(tmp_path):
    made = run(tmp_path, numbers=("4", "8"), quality=straight, changes={"task": "classification"})
    found = assess(made)
    assert found["time_saved"] == []
    for name in set(found) - {"time_saved", "generalisation"}:
        assert found[name] and {row["task"] for row in found[name]} == {"classification"}, name


def test_an_experiment_without_a_trained_cell_gives_empty_tables(tmp_path):
    folder = tmp_path / "cell"
    folder.mkdir()
    files.write_json(folder / "manifest.json", CELL | {"trained": False, "reason": "too few"})
    for folders in ([], [folder]):
        assert set(map(len, assess((folders, []), cohort=[]).values())) == {0}


def test_one_number_of_patients_and_no_sites_leave_their_tables_empty(tmp_path):
    found = assess(run(tmp_path, numbers=("all",)), cohort=[{"participant_id": name} for name in NAMES])
    assert found["labels_saved"] == found["generalisation"] == []
    assert {row["reason"] != "" for row in found["fairness"]} == {True}
    # without a control there is nothing to save
    alone = assess(run(tmp_path / "alone", ("frozen",), ("4", "8")))
    assert alone["labels_saved"] == alone["time_saved"] == [] and alone["layers"]


def test_masks_of_other_programs_are_in_none_of_these_tables(tmp_path):
    """Their folders have no records of a training, and nothing about transfer follows from them."""
    folders, scores = run(tmp_path)
    masks = tmp_path / "external" / "nnunet" / "cell"
    masks.mkdir(parents=True)
    more = [row | {"source": "external", "strategy": "nnunet"} for row in scores]
    found = assess(([*folders, masks], scores + more))
    assert all(row["source"] != "external" for rows in found.values() for row in rows)
