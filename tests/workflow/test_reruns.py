"""What a change makes again, and what it leaves alone: the jobs that Snakemake plans or runs after it."""

import hashlib
import json
import re
import shutil
from collections import Counter
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.make_cohort import copy_run
from helpers.plan_time import plan
from helpers.running import ROOT, rows, snakemake
from neurograft.core import tables
from neurograft.imaging import nifti
from neurograft.simulation import subjects
from neurograft.sources import weights
from neurograft.sources.table import read_sources

# what stands on the scores of any cell
COMPARED = ("compare_strategies", "recommend_strategy", "fill_verdict_card", "assess_transfer", "audit_scores")
COMPARED = (*COMPARED, "judge_masks", "write_report")
COMPARED = dict.fromkeys(COMPARED, 1)
# two strategies' networks of two tasks in two folds, the ensemble that one is in, and what shows the delivered ones
NETWORKS = {"train_network": 8, "average_predictions": 2, "score_predictions": 10}
DELIVERED = {"gather_delivered": 1, "deliver_segmentation": 4, "measure_masks": 1}
DELIVERED |= {"certify_masks": 1, "score_lesions": 1, "order_labels": 1}
NETWORKS |= DELIVERED
# supervoxels in two folds, with an encoder's features that were temporary
SUPERVOXELS = {"pool_features": 1, "classify_supervoxels": 2, "average_predictions": 2, "score_predictions": 4}
CANDIDATES = {"propose_candidates": 4, "gather_candidates": 1}
FEATURES = dict.fromkeys(("extract_features", "score_features", "score_sources"), 1)
GROUP = {"gather_subjects": 1, "gather_quality": 1, "split_cohort": 1, "plan_experiment": 1}
# whatever is trained, in two folds
CELLS = NETWORKS | SUPERVOXELS | FEATURES | COMPARED | {"score_predictions": 12}
OF_THREE_FOLDS = {"train_network": 12, "classify_supervoxels": 3, "average_predictions": 3, "score_predictions": 18}


def planned(finished, folder, change, repository=ROOT):
    """Plan a run of the tiny configuration with something changed; how many jobs of each rule."""
    (folder / "more.yaml").write_text(json.dumps(change))
    arguments = ("-n", "--configfile", ROOT / "config/tiny.yaml", folder / "more.yaml")
    return count_jobs(snakemake(finished, *arguments, repository=repository))


def count_jobs(said):
    """Count the jobs of each rule that a plan names."""
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)}
    return {rule: count for rule, count in jobs.items() if rule not in ("all", "total")}


@pytest.fixture
def copied(finished, tmp_path):
    """The finished run's folder, to be changed."""
    for name in ("results", ".snakemake"):
        shutil.copytree(finished / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("change", "jobs"),
    [
        ({}, {}),
        # both strategies' networks: the one keeps its weights no longer, the other has to
        ({"deliver": {"strategy": "scratch"}}, NETWORKS | COMPARED),
        # a network is delivered already: the other member of the ensemble has to predict everybody too
        (
            {
                "deliver": {"strategy": "ensemble"},
                "experiment": {"segmentation": {"strategies": ["scratch", "lp-ft", "ensemble"]}},
            },
            SUPERVOXELS | DELIVERED | COMPARED,
        ),
        ({"train_network": {"steps": 5}}, {"plan_experiment": 1} | NETWORKS | COMPARED),
        (
            {"normalize_intensity": {"method": "percentile"}},
            {"normalize_intensity": 4} | CANDIDATES | GROUP | CELLS,
        ),
        (
            {"propose_candidates": {"top": 10}},
            {"deliver_segmentation": 4, "certify_masks": 1, "order_labels": 1} | CANDIDATES | SUPERVOXELS | COMPARED,
        ),
        ({"classify_supervoxels": {"harmonise": True}}, SUPERVOXELS | COMPARED),
        ({"split_cohort": {"folds": 3}}, {"split_cohort": 1, "plan_experiment": 1} | CELLS | OF_THREE_FOLDS),
        # one strategy more: its own two cells
        (
            {"experiment": {"classification": {"strategies": ["scratch", "lp-ft", "frozen"]}}},
            {"plan_experiment": 1, "train_network": 2, "score_predictions": 2} | COMPARED,
        ),
    ],
)
def test_a_parameter_reruns_its_step_and_what_stands_on_it(finished, tmp_path, change, jobs):
    assert planned(finished, tmp_path, change) == jobs


def test_another_file_of_a_source_reruns_what_reads_it(telling, finished, tmp_path):
    """The same weights with one bit more: sources are known by their bytes. Preprocessing knows nothing of them."""
    table, name = telling / "config/sources.tsv", "efficientnet-lite0"
    before = table.read_text()
    row = read_sources(table)[name]
    content = Path(weights.locate(row)).read_bytes() + b"0"
    (tmp_path / "weights.pth").write_bytes(content)
    other = before.replace(row["sha256"], hashlib.sha256(content).hexdigest())
    other = other.replace(row["location"], str(tmp_path / "weights.pth"))
    try:
        table.write_text(other)
        changed = planned(finished, tmp_path, {}, telling)
        # another licence is nobody's training: the report says it
        table.write_text(before.replace("Apache-2.0", "MIT"))
        licence = planned(finished, tmp_path, {}, telling)
    finally:
        table.write_text(before)
    assert changed == CELLS
    assert licence == {"recommend_strategy": 1, "write_report": 1}


@pytest.mark.long
def test_one_subjects_scan_reruns_that_subject_and_the_group(copied):
    """A brighter FLAIR of one simulated patient, in place: one is prepared again, four are gathered again."""
    path = copied / "results/simulated/sub-phantom003/flair.nii.gz"
    scan = nib.load(path)
    nib.save(nib.Nifti1Image(np.asarray(scan.dataobj) * 2, scan.affine), path)
    # a folder's time says nothing of its files', so Snakemake goes by this one, which a step that writes them renews
    (path.parent / ".snakemake_timestamp").touch()
    said = snakemake(copied, "--cores", 2, "--configfile", ROOT / "config/tiny.yaml", targets=["candidates"])
    own = ("import_scans", "strip_skull", "register_scans", "normalize_intensity", "propose_candidates")
    done = Counter(re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", said, re.MULTILINE))
    assert done == dict.fromkeys((*own, "gather_cohort", "gather_candidates", "candidates"), 1)
    assert set(re.findall(r"subject=(\w+)", said)) == {"phantom003"}


def test_one_subject_more_reruns_nobody_elses_steps(finished, tmp_path):
    """Forty subjects are done and the forty-first is imported: its own steps and the group's are planned."""
    copy_run(finished, tmp_path, 40)
    assert plan(tmp_path, 40)[2] == {}
    shutil.rmtree(tmp_path)
    copy_run(finished, tmp_path, 40, added=1)
    own = ("strip_skull", "register_scans", "normalize_intensity", "propose_candidates")
    group = ("gather_subjects", "gather_quality", "gather_candidates", "preprocess", "candidates")
    assert plan(tmp_path, 41, "preprocess", "candidates")[2] == dict.fromkeys((*own, *group), 1) | {"total": 9}


def test_a_patient_put_above_the_others_in_a_table_imports_nobody_else_again(tmp_path):
    """The rows below move down, which is no change of theirs."""
    scans, _ = subjects.simulate_subject(1, spacing=6.0)
    nifti.write_scans(tmp_path / "scans", scans)
    row = {"flair": "scans/flair.nii.gz"}
    (tmp_path / "my.yaml").write_text("dataset: {layout: table, root: scans.tsv}\n")
    said = []
    for names in ("BC", "ABC"):
        tables.write_table(tmp_path / "scans.tsv", [{"participant_id": name} | row for name in names])
        targets = [f"results/work/sub-{name}/status.json" for name in names]
        how = ("-n",) if said else ("--cores", 2)  # what would be imported in the second run is known from its plan
        said.append(snakemake(tmp_path, *how, "--configfile", tmp_path / "my.yaml", targets=targets))
    assert [sorted(re.findall(r"wildcards: subject=(\w+)", text)) for text in said] == [["B", "C"], ["A"]]


def test_sampling_by_candidates_trains_segmentation_again_and_nothing_else(finished, tmp_path):
    (tmp_path / "more.yaml").write_text("train_network: {sampling: candidates}\n")
    said = snakemake(finished, "-n", "--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    again = set(re.findall(r"output: results/predictions/(\w+)/[\w.-]+/([\w-]+)/", said))
    # and the mean of what it gives
    assert again == {("segmentation", name) for name in ("scratch", "lp-ft", "ensemble")}


@pytest.mark.long
def test_leaving_a_subject_out_by_hand_prepares_nobody_else_again(finished, tmp_path):
    (tmp_path / "out.tsv").write_text("participant_id\treason\nphantom002\tcyst, no tumour\n")
    (tmp_path / "more.yaml").write_text(json.dumps({"dataset": {"exclude": str(tmp_path / "out.tsv")}}))
    shutil.copytree(finished / "results", tmp_path / "results")
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake")
    config = ("--cores", 2, "--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    said = snakemake(tmp_path, *config, targets=["results/quality.tsv"])
    done = re.findall(r"^(?:local)?(?:rule|checkpoint) (\w+):", said, re.MULTILINE)
    assert done == ["import_scans", "gather_cohort", "gather_subjects", "gather_quality"]
    cohort = {row["participant_id"]: row["reason"] for row in rows(tmp_path / "results/cohort.tsv")}
    assert {name: reason for name, reason in cohort.items() if reason} == {
        "phantom002": "excluded by hand: cyst, no tumour"
    }
    assert "phantom002" not in [row["subject"] for row in rows(tmp_path / "results/quality.tsv")]
    # what was delivered of him is gone, what was of others is not
    left = {path.name for path in (tmp_path / "results/derivatives").glob("sub-*")}
    assert "sub-phantom002" not in left and "sub-phantom001" in left


def test_code_reruns_its_steps_and_a_comment_reruns_nothing(telling, finished, tmp_path):
    shutil.copytree(finished / "results", tmp_path / "results")
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake")
    arguments = ("-n", "--configfile", telling / "config/tiny.yaml")
    module = telling / "scripts/neurograft/experiment/harmonisation.py"
    before = module.read_text()
    try:
        module.write_text(before + "\n# a comment\n")
        # the copy's own report templates lie elsewhere, so that the report alone is made again
        comment = snakemake(tmp_path, *arguments, repository=telling)
        module.write_text(before + "\nANOTHER = 1\n")
        again = snakemake(tmp_path, *arguments, repository=telling)
    finally:
        module.write_text(before)
    assert count_jobs(comment).keys() <= {"write_report", "deliver_segmentation"}
    # orders of labels are replayed with the same classifiers
    assert count_jobs(again) == SUPERVOXELS | COMPARED | {"order_labels": 1}
