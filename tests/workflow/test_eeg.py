"""Layout eeg through the whole workflow. It needs mne (extra `eeg`)."""

import json

import pytest

from helpers.running import ROOT, rows, snakemake

pytestmark = pytest.mark.long
DATA = ROOT.parent / "shared/data/eeg_smni"


def test_simulated_people_from_recordings_to_the_report(tmp_path):
    pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")
    config = {"dataset": {"layout": "eeg", "subjects": 4}, "decode": {"own": [3, 10]}}
    config["decode"]["spaces"] = ["sensors", "template", "cortex", "cortex-wrong-head"]
    (tmp_path / "my.yaml").write_text(json.dumps(config))
    snakemake(tmp_path, "--cores", 2, "--configfile", tmp_path / "my.yaml")
    assert "SIMULATED people" in (tmp_path / "results/report/index.html").read_text()
    assert {row["included"] for row in rows(tmp_path / "results/cohort.tsv")} == {"true"}
    compared = rows(tmp_path / "results/evaluation/comparison.tsv")
    assert {row["n"] for row in compared if row["verdict"]} == {"3"}
    assert "Nothing to be done" in snakemake(tmp_path, "-n", "--configfile", tmp_path / "my.yaml")
    card = json.loads((tmp_path / "results/verdict_card.json").read_text())
    assert card["simulated"] and card["questions"][0]["split"] == "people"


def test_targets_are_its_own_and_those_of_scans_say_so(tmp_path):
    pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")
    (tmp_path / "my.yaml").write_text(json.dumps({"dataset": {"layout": "eeg", "subjects": 6}}))
    options = ("--cores", 1, "--configfile", tmp_path / "my.yaml")
    assert "6 SIMULATED people" in snakemake(tmp_path, *options, targets=["check"])
    assert "6 people in 2 spaces" in snakemake(tmp_path, *options, targets=["plan"])
    refused = snakemake(tmp_path, "-n", *options, targets=["candidates"], check=False)
    assert "layout eeg has no target candidates, which is about scans" in refused


@pytest.mark.skipif(not DATA.exists(), reason="needs the real recordings of ../shared/data")
def test_real_recordings_end_in_a_verdict(tmp_path):
    pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")
    config = {
        "dataset": {"layout": "eeg", "root": str(DATA)},
        "import_eeg": {"classes": ["first", "second"]},
        "decode": {"own": [3, 10], "spaces": ["sensors"]},
    }
    (tmp_path / "my.yaml").write_text(json.dumps(config))
    snakemake(tmp_path, "--cores", 2, "--configfile", tmp_path / "my.yaml")
    judged = [row for row in rows(tmp_path / "results/evaluation/comparison.tsv") if row["verdict"]]
    assert len(judged) == 3 and all(float(row["mean_difference"]) > 0.03 for row in judged)
