"""The folds leave for another program, and its masks come back to a verdict."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.running import ROOT, rows, snakemake
from neurograft.core import files

# six patients as in the tiny configuration, in three folds, so that there are verdicts
CONFIG = {
    "dataset": {"layout": "phantom", "subjects": 6},
    "simulate_subject": {"spacing": 3.0},
    "register_scans": {"spacing": 3.0},
    "propose_candidates": {"segments": 400},
    "split_cohort": {"folds": 3},
    "train_network": {"steps": 4, "batch": 4},
    "experiment": {"segmentation": {"strategies": ["scratch", "lp-ft"]}, "classification": {"strategies": []}},
    "deliver": {"strategy": "lp-ft"},
}
SUBJECTS = CONFIG["dataset"]["subjects"]
RAW = "results/export/nnUNet_raw/Dataset501_neurograft"
NNUNET = shutil.which("nnUNetv2_train")


def run(folder, *targets, external=None, check=True):
    """Run the workflow, with masks of other programs."""
    segmentation = CONFIG["experiment"]["segmentation"] | ({"external": external} if external else {})
    config = CONFIG | {"experiment": CONFIG["experiment"] | {"segmentation": segmentation}}
    (folder / "my.yaml").write_text(json.dumps(config))
    return snakemake(folder, "--cores", 2, "--configfile", folder / "my.yaml", targets=targets, check=check)


def judge(folder, name):
    """The rows of one program in the tables, and what the report says of it."""
    found = {table: rows(folder / f"results/evaluation/{table}.tsv") for table in ("scores", "comparison", "times")}
    ours = {table: [row for row in listed if row["source"] == "external"] for table, listed in found.items()}
    assert {row["strategy"] for listed in ours.values() for row in listed} == {name}
    return ours, (folder / "results/report/index.html").read_text()


def test_masks_beside_a_finished_run_train_nothing_again(finished, tmp_path):
    external = {"nnunet": {"predictions": str(tmp_path)}}
    (tmp_path / "more.yaml").write_text(json.dumps({"experiment": {"segmentation": {"external": external}}}))
    arguments = ("-n", "--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    said = snakemake(finished, *arguments)
    lines = [line.split() for line in said.splitlines()]
    jobs = {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}
    expected = {
        "import_predictions": 2,
        "score_predictions": 2,
        "compare_strategies": 1,
        "assess_transfer": 1,
        "recommend_strategy": 1,
    }
    assert {name: count for name, count in jobs.items() if name in expected} == expected
    assert not {"train_network", "split_cohort", "register_scans", "deliver_segmentation"} & set(jobs)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A small cohort, exported."""
    folder = tmp_path_factory.mktemp("exported")
    run(folder, "export_folds")
    return folder


@pytest.mark.long
def test_the_export_is_the_cohort_on_its_reference_scans_grids(exported):
    split = json.loads((exported / "results/splits.json").read_text())["tasks"]["segmentation"]
    described = json.loads((exported / RAW / "dataset.json").read_text())
    assert list(described["channel_names"].values()) == split["sequences"] and described["numTraining"] == SUBJECTS
    for subject in split["subjects"]:
        status = json.loads((exported / f"results/work/sub-{subject}/status.json").read_text())
        grid, labels = status["sequences"][status["reference"]], nib.load(exported / RAW / f"labelsTr/{subject}.nii.gz")
        truth = np.asanyarray(nib.load(status["labels"]["file"]).dataobj)
        assert np.array_equal(np.where(truth == 4, 3, truth), np.asanyarray(labels.dataobj))
        for path in (exported / RAW / "imagesTr").glob(f"{subject}_*.nii.gz"):
            scan = nib.load(path)
            assert list(scan.shape) == grid["shape"] and np.allclose(scan.affine, grid["affine"], atol=1e-3)
            assert 0.05 < np.mean(np.asanyarray(scan.dataobj) != 0) < 0.6, "a brain without skull"


@pytest.mark.long
def test_masks_come_back_to_a_verdict_and_wrong_ones_lose_nothing(exported, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(exported, folder)
    masks = tmp_path / "my masks"
    shutil.copytree(exported / RAW / "labelsTr", masks)
    shutil.copy(exported / "results/export/neurograft_folds.json", masks)
    subject = min(path.name for path in masks.glob("*.nii.gz"))
    (masks / subject).rename(tmp_path / subject)
    external = {"perfect": {"predictions": str(masks), "seconds": 90}}
    said = run(folder, external=external, check=False)
    assert f"has no mask of {subject.removesuffix('.nii.gz')}; it is looked for as {subject}" in said
    (tmp_path / subject).rename(masks / subject)
    run(folder, external=external)
    ours, page = judge(folder, "perfect")
    assert len(ours["scores"]) == SUBJECTS * 3 * 3
    assert {float(row["value"]) for row in ours["scores"] if row["metric"] == "dice"} == {1.0}
    assert [float(row["seconds"]) for row in ours["times"]] == [30.0] * 3
    (row,) = [row for row in ours["comparison"] if row["verdict"]]
    assert row["against"] == "scratch" and float(row["mean_difference"]) > 0.2 and row["patients"] == str(SUBJECTS)
    assert "perfect (external)" in page and "user&#39;s word" not in page
    # whoever trained with other folds is told so, and the report before stays
    files.write_json(masks / "neurograft_folds.json", {"hash": "of others"})
    assert "made with other folds" in run(folder, external=external, check=False)
    assert (folder / "results/report/index.html").read_text() == page


@pytest.mark.long
@pytest.mark.skipif(NNUNET is None, reason="needs nnunetv2 (pip install '.[nnunet]') on the PATH")
def test_nnunet_itself_from_the_export_to_the_verdict(exported, tmp_path):
    """A few iterations prove the way, not the network."""
    folder = tmp_path / "run"
    shutil.copytree(exported, folder)
    places = {name: tmp_path / name for name in ("nnUNet_preprocessed", "nnUNet_results")}
    environment = os.environ | {name: str(path) for name, path in places.items()}
    environment |= {"nnUNet_raw": str(folder / RAW).removesuffix("/Dataset501_neurograft"), "nnUNet_compile": "f"}
    environment |= {"nnUNet_def_n_proc": "1", "OMP_NUM_THREADS": "1"}

    def call(workers, *command):
        more = {"nnUNet_n_proc_DA": workers}
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment | more)
        assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]

    programs, asked = Path(NNUNET).parent, ("-d", "501", "-c", "2d", "-np", "1", "-npfp", "1")
    call("1", programs / "nnUNetv2_plan_and_preprocess", *asked, "--verify_dataset_integrity")
    shutil.copy(folder / RAW / "splits_final.json", places["nnUNet_preprocessed"] / "Dataset501_neurograft")
    for fold in range(3):
        call("0", programs / "python", ROOT / "tests/helpers/train_nnunet.py", "Dataset501_neurograft", fold)
    (trained,) = places["nnUNet_results"].glob("Dataset501_neurograft/*__2d")
    run(folder, external={"nnunet": {"predictions": str(trained), "seconds": 60}})
    ours, page = judge(folder, "nnunet")
    assert len(ours["scores"]) == SUBJECTS * 3 * 3 and len(ours["times"]) == 3
    (row,) = [row for row in ours["comparison"] if row["verdict"]]
    assert (row["against"], row["patients"]) == ("scratch", str(SUBJECTS))
    assert "nnunet (external)" in page
