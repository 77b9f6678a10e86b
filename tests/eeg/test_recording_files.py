"""People and recordings found by the names of files."""

from pathlib import Path

import pytest

from helpers.eeg_files import make_people
from neurograft.eeg.recording_files import RecordingFilesError, find_people, find_simulated


def test_recordings_come_with_what_lies_beside_them(tmp_path):
    make_people(tmp_path, 2, t1=[1])
    (tmp_path / "sub-0/eeg/sub-0_task-y_eeg.vhdr").touch()
    people = find_people(str(tmp_path), "x")
    assert list(people) == ["0", "1"] and not people["0"]["t1"] and people["1"]["t1"].endswith("sub-1_T1w.nii.gz")
    (run,) = people["0"]["runs"]
    assert set(run) == {"eeg", "events", "electrodes"} and run["eeg"].endswith("sub-0_task-x_eeg.edf")
    assert len(find_people(str(tmp_path))["0"]["runs"]) == 2


def test_sessions_are_runs_of_one_person(tmp_path):
    for session in ("1", "2"):
        folder = tmp_path / f"sub-a/ses-{session}/eeg"
        folder.mkdir(parents=True)
        (folder / f"sub-a_ses-{session}_task-x_eeg.bdf").touch()
    assert len(find_people(str(tmp_path))["a"]["runs"]) == 2


def test_the_signal_beside_a_header_is_an_input(tmp_path):
    folder = tmp_path / "sub-a/eeg"
    folder.mkdir(parents=True)
    for ending in ("vhdr", "eeg", "vmrk"):
        (folder / f"sub-a_task-x_eeg.{ending}").touch()
    (run,) = find_people(str(tmp_path))["a"]["runs"]
    assert {Path(path).suffix for path in run.values()} == {".vhdr", ".eeg", ".vmrk"}


def test_a_simulated_recording_is_found_where_it_was_made(tmp_path):
    make_people(tmp_path, 1)
    (run,) = find_simulated(f"{tmp_path}/sub-0/eeg")
    assert run["eeg"].endswith("_eeg.edf")


def test_a_folder_that_cannot_be_used_is_said_in_one_line(tmp_path):
    with pytest.raises(RecordingFilesError, match="does not exist"):
        find_people(str(tmp_path / "gone"))
    with pytest.raises(RecordingFilesError, match=r"holds no \*_eeg.edf"):
        find_people(str(tmp_path))
    for name in ("a-b", "ab"):
        (tmp_path / f"sub-{name}/eeg").mkdir(parents=True)
        (tmp_path / f"sub-{name}/eeg/sub-{name}_eeg.edf").touch()
    with pytest.raises(RecordingFilesError, match="two folders are sub-ab"):
        find_people(str(tmp_path))
