"""Another labelled cohort as a source, through the real workflow."""

import json
import re

import pytest

from helpers.running import ROOT, rows, snakemake
from neurograft.simulation.anatomy import load_template
from neurograft.simulation.subjects import simulate_subject, write_subject

KINDS = ("t1", "t1c", "t2", "flair", "labels")


def write_table(folder, subjects, kinds=KINDS):
    """Write a dataset of the layout table; return its block of the config."""
    lines = [["participant_id", *kinds], *([name, *(f"{name}/{kind}.nii.gz" for kind in kinds)] for name in subjects)]
    (folder / "scans.tsv").write_text("".join("\t".join(line) + "\n" for line in lines))
    return {"layout": "table", "root": str(folder / "scans.tsv")}


def test_a_cohort_beside_a_finished_run_trains_nothing_of_it_again(finished, tmp_path):
    for name in ("A", "B"):
        (tmp_path / name).mkdir()
        for kind in KINDS:
            (tmp_path / name / f"{kind}.nii.gz").touch()
    dataset = write_table(tmp_path, ("A", "B"))
    asked = {"segmentation": {"sources": ["efficientnet-lite0", "cohort:near"]}}
    (tmp_path / "more.yaml").write_text(json.dumps({"cohorts": {"near": {"dataset": dataset}}, "experiment": asked}))
    said = snakemake(finished, "-n", "--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    lines = [line.split() for line in said.splitlines()]
    jobs = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}
    expected = {"import_cohort_scans": 2, "compare_cohorts": 1, "pretrain_cohort": 1, "guard_leaks": 1}
    assert {name: count for name, count in jobs.items() if name in expected} == expected
    assert not {"split_cohort", "register_scans", "import_scans", "deliver_segmentation"} & set(jobs)
    trained = re.findall(r"rule train_network:(?:\n {4}.*)*?\n {4}wildcards: task=\w+, source=([\w-]+)", said)
    assert trained and set(trained) == {"cohort-near"}


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """A run on four simulated patients that learns from four others; a fifth of these is the first of the own ones."""
    folder, atlas = tmp_path_factory.mktemp("near"), load_template()
    near = folder / "other scans"
    for number in range(4):
        write_subject(near / f"N{number}", *simulate_subject(20 + number, 3, 3.0, atlas))
    # the first patient of the own cohort
    write_subject(near / "N4", *simulate_subject(1, 0, 3.0, atlas))
    config = {
        "dataset": {"layout": "phantom", "subjects": 4},
        "cohorts": {"near": {"dataset": write_table(near, [f"N{number}" for number in range(5)]), "steps": 5}},
        "simulate_subject": {"spacing": 3.0},
        "register_scans": {"spacing": 3.0},
        "propose_candidates": {"segments": 400},
        "split_cohort": {"folds": 2},
        "train_network": {"steps": 4, "batch": 4},
        "experiment": {
            "segmentation": {"sources": ["efficientnet-lite0", "cohort:near"], "strategies": ["scratch", "frozen"]},
            "classification": {"strategies": []},
        },
        "deliver": {"strategy": "frozen"},
    }
    (folder / "my.yaml").write_text(json.dumps(config))
    snakemake(folder, "--cores", 2, "--configfile", folder / "my.yaml")
    return folder


@pytest.mark.long
def test_a_patient_of_both_is_left_out_and_cells_start_from_the_rest(learnt):
    results = learnt / "results"
    table = {row["participant_id"]: row for row in rows(results / "cohorts/near/cohort.tsv")}
    assert [name for name, row in table.items() if row["included"] == "true"] == ["N0", "N1", "N2", "N3"]
    assert "the same person as phantom001 of this cohort (by image" in table["N4"]["reason"]
    # nothing was prepared of who is left out
    assert not (results / "cohorts/near/sub-N4/strip_skull.json").exists()
    manifest = json.loads((results / "sources/cohort-near/manifest.json").read_text())
    assert manifest["learnt_from"] == ["N0", "N1", "N2", "N3"] and manifest["outputs"] == ["WT", "TC", "ET"]
    cells = list((results / "predictions/segmentation/cohort-near").glob("frozen/*/manifest.json"))
    assert len(cells) == 2
    for cell in map(json.loads, (path.read_text() for path in cells)):
        assert cell["trained"] and cell["loaded_share"] == cell["top_loaded_share"] == 1
    verdict = {row["source"]: row for row in rows(results / "contamination.tsv")}["cohort-near"]
    assert verdict["verdict"] == "clean" and "without 1 of patients of yours (N4 is phantom001)" in verdict["reason"]
    report = (results / "report/index.html").read_text()
    assert "N4 is phantom001" in report and "labelled patients of another cohort, near" in report
    judged = {(row["source"], row["strategy"]) for row in rows(results / "evaluation/comparison.tsv")}
    assert {("cohort-near", "frozen"), ("efficientnet-lite0", "frozen")} <= judged


@pytest.mark.long
def test_nothing_is_done_again_and_a_changed_scan_reruns_its_subject_alone(learnt):
    arguments = ("-n", "--cores", 2, "--configfile", learnt / "my.yaml")
    assert "Nothing to be done" in snakemake(learnt, *arguments)
    scan = learnt / "other scans/N1/t1.nii.gz"
    scan.touch()
    said = snakemake(learnt, *arguments)
    assert len(re.findall(r"rule import_cohort_scans:", said)) == 1 and "rule import_scans:" not in said
