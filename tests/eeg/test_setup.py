"""The setup of a run of EEG, and mistakes in one line."""

import re
from pathlib import Path

import pytest

from helpers.eeg_files import make_people
from neurograft.eeg import setup
from neurograft.eeg.setup import EegSetupError, prepare_eeg

ROOT = Path(__file__).parents[2]


@pytest.fixture
def with_mne(monkeypatch):
    """Let mne count as installed."""
    monkeypatch.setattr(setup, "find_spec", lambda name: name)


def test_the_missing_extra_gives_one_line_that_says_what_to_install(monkeypatch):
    monkeypatch.setattr(setup, "find_spec", lambda name: None)
    with pytest.raises(EegSetupError, match=r"pip install 'mne==1\.13\.\*'"):
        prepare_eeg({"dataset": {"layout": "eeg"}}, ROOT)


def test_defaults_are_filled_in(with_mne, tmp_path):
    run = prepare_eeg(make_people(tmp_path, 4), ROOT)
    assert run.config["decode"]["own"] == [3, 5, 10] and not run.simulated and len(run.list_files("0")) == 3
    assert run.config["report"]["title"].startswith("Do other people's trials help")


def test_without_a_root_people_are_simulated(with_mne):
    run = prepare_eeg({"dataset": {"layout": "eeg", "subjects": 5}, "decode": {"spaces": ["cortex"]}}, ROOT)
    assert run.simulated and list(run.people) == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ({"decode": {"spaces": ["sensors", "cortex"]}}, r"3 of 4 people have no T1w \(0, 2, 3\): leave it out"),
        ({"decode": {"strategies": ["frozen", "fine-tune"]}}, "needs scratch"),
        ({"decode": {"spaces": ["brain"]}}, "choose one of: sensors, template"),
        ({"experiment": {}}, "experiment says nothing of EEG"),
        ({"guard_leaks": {}}, "guard_leaks says nothing of EEG"),
        ({"allow_leak": True}, "allow_leak says nothing of EEG"),
        ({"import_eeg": {"windows": [0, 1]}}, "did you mean 'window'"),
        ({"import_eeg": {"task": "other"}}, "with task-other"),
        ({"import_eeg": {"window": [0.8, 0.2]}}, r"from 0.8 to 0.2 s holds no bin of 0.1 s \(decode.bin\)"),
        ({"import_eeg": {"band": [30, 1]}}, "from 30 to 1 Hz keeps nothing"),
    ],
)
def test_a_mistake_is_one_line(with_mne, tmp_path, blocks, message):
    with pytest.raises(EegSetupError, match=message):
        prepare_eeg(make_people(tmp_path, 4, t1=[1]) | blocks, ROOT)


def test_keys_and_roots_that_nobody_reads_are_refused(with_mne, tmp_path):
    config = make_people(tmp_path, 4)
    with pytest.raises(EegSetupError, match=r"dataset\.sequences says nothing of EEG"):
        prepare_eeg({"dataset": config["dataset"] | {"sequences": ["t1"]}}, ROOT)
    with pytest.raises(EegSetupError, match="has 2 folders; layout eeg takes one"):
        prepare_eeg({"dataset": config["dataset"] | {"root": [str(tmp_path), str(tmp_path)]}}, ROOT)


def test_check_says_who_was_found_and_who_will_be_left_out(with_mne, tmp_path):
    config = make_people(tmp_path, 5, t1=[1])
    (tmp_path / "sub-2/eeg/sub-2_task-x_events.tsv").unlink()
    (tmp_path / "out.tsv").write_text("participant_id\treason\n3\tasleep\n")
    config["dataset"]["exclude"] = str(tmp_path / "out.tsv")
    words = prepare_eeg(config, ROOT).describe()
    assert words.startswith("4 people in") and ".edf 4" in words and "events 3" in words and "T1w of 1" in words
    assert "2: no events.tsv" in words and "3: excluded by hand: asleep" in words
    assert prepare_eeg({"dataset": {"layout": "eeg"}}, ROOT).describe().startswith("8 SIMULATED people")


def test_targets_that_this_layout_lacks_are_those_of_scans(with_mne):
    """A new target of scans must be named here, or it would fail obscurely."""
    rules = {path.name: path.read_text() for path in (ROOT / "workflow/rules").glob("*.smk")}
    named = {name for text in rules.values() for name in re.findall(r'^rule (\w+):\n    """', text, re.MULTILINE)}
    ours = set(re.findall(r"^rule (\w+):", rules["eeg_targets.smk"], re.MULTILINE))
    assert named - ours - {"pool"} == set(setup.SCANS_ONLY)


def test_two_people_are_too_few(with_mne, tmp_path):
    with pytest.raises(EegSetupError, match="2 people; to leave one out it takes 3"):
        prepare_eeg(make_people(tmp_path, 2), ROOT)


def test_who_has_no_t1_can_be_excluded(with_mne, tmp_path):
    config = make_people(tmp_path, 4, t1=[0, 1, 2])
    (tmp_path / "out.tsv").write_text("participant_id\treason\n3\tno T1\n")
    config["dataset"]["exclude"] = str(tmp_path / "out.tsv")
    run = prepare_eeg(config | {"decode": {"spaces": ["sensors", "cortex"]}}, ROOT)
    assert list(run.people) == ["0", "1", "2"] and run.left_out["3"].endswith("no T1")
    assert run.list_anatomy("0")[0].endswith("T1w.nii.gz")
