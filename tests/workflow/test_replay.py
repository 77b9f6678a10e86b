"""A study replayed: from pictures to the table and the chapter, and no control where a verdict is made."""

import json

import pytest

from helpers.fake_images import make_head, save
from helpers.running import ROOT, rows, snakemake

DATA = ROOT.parent / "shared/data"

CONTROLS = ["slices", "slices-random-labels", "folds-random-labels"]

pytestmark = pytest.mark.long


def run(folder, settings):
    """Replay a config, with the verdict card, and return what the terminal shows."""
    (folder / "my.yaml").write_text(json.dumps(settings))
    return snakemake(folder, "--cores", 2, "--configfile", folder / "my.yaml", targets=["replay", "evaluate"])


def check(results, splits):
    """Check that the controls are in the table and in the report, and nowhere else."""
    table = rows(results / "evaluation/replay.tsv")
    assert {row["split"] for row in table} == set(splits)
    assert {row["strategy"] for row in table} == {"scratch", "fine-tune"}
    assert all(0 <= float(row[name]) <= 1 for row in table for name in ("score", "by_patient", "guess"))
    for name in ("scores", "comparison", "times", "overfitting"):
        assert {row["split"] for row in rows(results / f"evaluation/{name}.tsv")} <= {"folds"}, name
    card = json.loads((results / "verdict_card.json").read_text())
    assert {question["split"] for question in card["questions"]} <= {"folds"}
    assert "<h2>By slice and by patient</h2>" in (results / "report/index.html").read_text()
    return table


def test_pictures_of_known_patients_with_a_division_of_their_own(tmp_path):
    root = tmp_path / "set"
    lines = ["filename\tpatient"]
    for number in range(24):
        name, part = ("glioma", "none")[number // 3 % 2], ("train", "test")[number % 3 == 2]
        save(root / part / name / f"p{number}.png", make_head(number))
        lines.append(f"{part}/{name}/p{number}.png\tP{number // 3}")
    (root / "participants.tsv").write_text("\n".join(lines) + "\n")
    asked = {"strategies": ["scratch", "fine-tune"], "splits": ["folds", "slices", "own"]}
    settings = {"dataset": {"layout": "images", "root": str(root)}, "import_images": {"size": 32}}
    settings |= {"split_cohort": {"folds": 2}, "train_network": {"steps": 2, "batch": 4}}
    said = run(tmp_path, settings | {"experiment": {"classification": asked}, "replay": {"study": "lu-2019"}})
    assert "accuracy (published 1.000)" in said and "Lu et al. 2019" in said
    table = check(tmp_path / "results", ["slices", "own"])
    assert {row["slices"] for row in table if row["split"] == "slices"} == {"24"}
    assert {row["slices"] for row in table if row["split"] == "own"} == {"8"}
    assert {row["patients"] for row in table} == {"8"} and {row["random"] for row in table} == {"n/a"}


@pytest.mark.skipif(not DATA.exists(), reason="needs the real scans of ../shared/data")
def test_slices_of_real_patients_with_random_labels(tmp_path):
    people = rows(DATA / "t1c_slices/patients.tsv")
    names = [
        row["patient"]
        for diagnosis in ("glioma", "meningioma", "pituitary")
        for row in [row for row in people if row["diagnosis"].startswith(diagnosis) and int(row["slices"]) > 4][:4]
    ]
    for name in names:
        (tmp_path / "set").mkdir(exist_ok=True)
        (tmp_path / "set" / name).symlink_to((DATA / "t1c_slices" / name).resolve())
    pictures = {"patients": str(DATA / "t1c_slices/patients.tsv"), "person": "person", "spacing": [0.49, 0.49, 7]}
    settings = {"dataset": {"layout": "images", "root": str(tmp_path / "set"), "sequences": ["t1c"]}}
    settings["dataset"]["pictures"] = pictures
    settings |= {"register_scans": {"spacing": 4.0}, "split_cohort": {"folds": 2}, "train_network": {"steps": 4}}
    asked = {"target": "diagnosis", "unit": "slice", "strategies": ["scratch", "fine-tune"]}
    asked["splits"] = ["folds", *CONTROLS]
    run(tmp_path, settings | {"experiment": {"segmentation": {"strategies": []}, "classification": asked}})
    table = check(tmp_path / "results", ["slices"])
    assert all(0 <= float(row["random"]) <= 1 for row in table)
    split = json.loads((tmp_path / "results/splits.json").read_text())["tasks"]["classification"]
    assert split["unit"] == "slice" and len(split["slices"]) == 2
    scored = [row for row in rows(tmp_path / "results/evaluation/scores.tsv") if row["subject"]]
    # of slices, so a patient's accuracy is a share
    assert {row["metric"] for row in scored} == {"accuracy", "brier"}
