"""The A/A studies of `benchmarks/`, without a training: on invented scores."""

import importlib.util
import sys

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from helpers.running import ROOT, rows
from neurograft.core import files
from neurograft.experiment import setup


@pytest.fixture(scope="module")
def aa_studies():
    """The benchmark as a module."""
    spec = importlib.util.spec_from_file_location("aa_studies", ROOT / "benchmarks/aa_studies.py")
    module = importlib.util.module_from_spec(spec)
    # where a dataclass looks for its module
    sys.modules["aa_studies"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["aa_studies"]


def finish(module, folder, study, gain=0.0, spread=0.05, steps=None):
    """Write the file of a study whose second arm is better by `gain`, give or take `spread`."""
    place = {"space": "native", "split": "folds"}
    arm = {"task": "segmentation", "source": "s", "strategy": "scratch", **place, "n": "all", "metric": "dice"}
    control, other = sorted(study.seeds[2:])
    scores = [
        arm | {"fold": patient % 3, "seed": seed, "subject": f"p{patient}", "region": region, "value": 0.5 + moved}
        for patient, move in enumerate(np.random.default_rng(0).normal(size=study.n))
        for seed, moved in ((control, 0.0), (other, gain + spread * move))
        for region in ("all", "anterior")
    ]
    result = {"pool": study.pool, "n": study.n, "number": study.number, "steps": steps or module.STEPS, "seconds": 1.0}
    result |= {"train_dice": 0.5, "place": place, "margins": {"dice": 0.02}}
    result |= {"patients": {f"p{patient}": f"p{patient}" for patient in range(study.n)}, "scores": scores}
    files.write_json(folder / "studies" / study.name, result)


def test_no_two_studies_share_a_seed(aa_studies):
    studies, again = aa_studies.list_studies(1), aa_studies.list_studies(2)
    assert len(studies) == len({study.name for study in studies}) >= 60
    assert {(study.pool, study.n) for study in studies} == {(p, n) for p in aa_studies.POOLS for n in (10, 20, 40)}
    seeds = [seed for study in [*studies, *again] for seed in study.seeds]
    assert len(set(seeds)) == len(seeds) == 4 * 2 * len(studies)
    # a stop at any time leaves about as many of each kind
    assert len({(study.pool, study.n) for study in studies[:6]}) == 6


def test_finished_studies_are_not_run_again(aa_studies, tmp_path):
    first, second, *others = aa_studies.list_studies(1)
    assert aa_studies.list_missing(tmp_path, 1) == [first, second, *others]
    finish(aa_studies, tmp_path, second)
    # left by a killed process
    (tmp_path / "studies" / f".part-{first.name}-x").mkdir()
    (tmp_path / "studies" / f".part-{first.name}-x" / first.name).write_text("{")
    assert aa_studies.list_missing(tmp_path, 1) == [first, *others]


def test_studies_of_other_steps_are_refused(aa_studies, tmp_path):
    finish(aa_studies, tmp_path, aa_studies.list_studies(1)[0], steps=7)
    with pytest.raises(ValueError, match="took 7 steps, not .* use another folder"):
        aa_studies.list_missing(tmp_path, 1)


def test_verdicts_of_known_scores(aa_studies, tmp_path):
    study = aa_studies.Study("lgg", 20, 0)
    gains = {"helps": (0.2, 0.05), "hurts": (-0.2, 0.05), "no practical difference": (0.0, 0.01)}
    for verdict, (gain, spread) in {**gains, "undecided": (0.0, 0.3)}.items():
        finish(aa_studies, tmp_path, study, gain, spread)
        (row,) = map(aa_studies.judge, aa_studies.read_results(tmp_path).values())
        assert row["verdict"] == verdict and (row["patients"], row["folds"]) == (20, 3)
        assert row["region"] == "all" and row["mean_difference"] == pytest.approx(gain, abs=0.1)
        assert row["margin"] == 0.02 and row["dice"] == pytest.approx(0.5 + row["mean_difference"] / 2)


def test_summary_counts_false_verdicts_with_their_exact_interval(aa_studies, tmp_path, capsys):
    for number in range(3):
        finish(aa_studies, tmp_path, aa_studies.Study("lgg", 10, number), spread=0.2)
    finish(aa_studies, tmp_path, aa_studies.Study("lgg", 20, 0), gain=0.2)
    finish(aa_studies, tmp_path, aa_studies.Study("hippocampus", 20, 0), spread=0.01)
    aa_studies.main([str(tmp_path), "--summary"])
    table = [line.split(" | ") for line in capsys.readouterr().out.splitlines()]
    # no false one of three: 1 - 0.025^(1/3) is 70.8 %
    assert table[3][:8] == ["| 1", "lgg", "10", "3", "0 (0.0 to 70.8 %)", "0", "3", "3"]
    assert table[2][:8] == ["| 1", "hippocampus", "20", "1", "0 (0.0 to 97.5 %)", "1", "0", "1"]
    assert table[4][:8] == ["| 1", "lgg", "20", "1", "1 (2.5 to 100.0 %)", "0", "0", "0"]
    assert table[7][:8] == ["| 1", "all", "all", "5", "1 (0.5 to 71.6 %)", "1", "3", "4"]
    assert table[8] == ["false: lgg, 20 patients, study 0: helps, over 99.9 % sure that it is better"]
    assert [row["verdict"] for row in rows(tmp_path / "studies.tsv")].count("undecided") == 3


def test_summary_of_nothing_says_so(aa_studies, tmp_path, capsys):
    with pytest.raises(SystemExit):
        aa_studies.main([str(tmp_path), "--summary"])
    assert "no finished study; call it without --summary" in capsys.readouterr().err


def test_configs_are_those_of_a_run(aa_studies, tmp_path):
    data = tmp_path / "data"
    for number in range(62):
        for kind in ("images", "labels"):
            path = data / f"hippocampus/{kind}/h_{number:03d}.nii.gz"
            path.parent.mkdir(parents=True, exist_ok=True)
            nib.save(nib.Nifti1Image(np.zeros((2, 2, 2), np.uint8), np.eye(4)), path)
    patient = data / "lgg/TCGA_CS_1_2000"
    patient.mkdir(parents=True)
    for name in ("1", "1_mask"):
        Image.new("RGB" if name == "1" else "L", (4, 4)).save(patient / f"TCGA_CS_1_2000_{name}.png")
    (data / "lgg/data.csv").write_text("Patient;age\nTCGA_CS_1;50\n")
    for pool, count in (("hippocampus", 60), ("lgg", 1)):
        (tmp_path / pool).mkdir()
        run = setup.prepare_run(aa_studies.make_config(pool, tmp_path / pool, data), ROOT, verified=False)
        assert len(run.subjects) == count and run.config["split_cohort"]["folds"] == 3
        assert [arm["strategy"] for arm in run.design.list_arms("segmentation")] == ["scratch"]
        assert run.config["margin"]["dice"] == 0.02
