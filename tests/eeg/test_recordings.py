"""Recordings of one person, and what is kept of them. They need mne (extra `eeg`)."""

import numpy as np
import pytest

from neurograft.core import tables
from neurograft.eeg import recordings
from neurograft.eeg.recordings import ImportOptions, RecordingError, fit_rigid, import_eeg, import_person, locate
from neurograft.eeg.simulated_files import write_person

mne = pytest.importorskip("mne", reason="needs mne: pip install 'mne==1.13.*'")

CHANNELS = ["FP1", "FP2", "F3", "FZ", "F4", "C3", "CZ", "C4", "P3", "PZ", "P4", "O1"]
OPTIONS = ImportOptions(window=(0.0, 0.8), rate=50.0)


@pytest.fixture
def person(tmp_path):
    """A person of 20 trials; class `right` has more of O1 than of the others."""
    generator = np.random.default_rng(0)
    labels = ["left", "right"] * 10
    data = generator.normal(0, 2e-6, (20, len(CHANNELS), 80))
    data[1::2, -1, 20:60] += 20e-6
    write_person(
        tmp_path / "eeg", "sub-1_task-x", data, labels, {"channels": CHANNELS, "rate": 100.0, "positions": None}
    )
    stem = f"{tmp_path}/eeg/sub-1_task-x"
    return {"eeg": f"{stem}_eeg.vhdr", "events": f"{stem}_events.tsv", "sidecar": f"{stem}_eeg.json"}


def test_trials_keep_their_classes_their_rate_and_what_differs(person):
    trials, record = import_eeg([person], OPTIONS)
    assert trials.data.shape == (20, 12, 40) and trials.labels == ("left", "right") * 10 and trials.rate == 50
    means = [trials.data[start::2, -1, 10:30].mean() for start in (0, 1)]
    assert 6e-6 < means[1] - means[0] < 14e-6
    np.testing.assert_allclose(trials.data.mean(axis=1), 0, atol=1e-12)
    assert record["positions"] == "by name" and not record["contiguous"] and record["rejected"] == 0


def test_a_recording_of_the_rate_that_is_asked_for_is_not_resampled(person):
    trials, _ = import_eeg([person], ImportOptions(window=(0.0, 0.8), rate=100))
    assert trials.data.shape == (20, 12, 80)


def test_runs_are_joined_in_time(person):
    trials, record = import_eeg([person, person], OPTIONS)
    assert record["trials"] == 40 and (np.diff(trials.onsets) > 0).all()


def test_what_is_beyond_a_trial_reaches_it_only_where_the_recording_is_contiguous(person, tmp_path):
    """A large step in the gap before a trial: trials that do not follow each other are filtered alone."""
    raw = np.fromfile(person["eeg"].replace(".vhdr", ".eeg"), "<f4").reshape(-1, len(CHANNELS))
    raw[130:179, 0] += 3000  # the gap between the first and the second trial
    raw.tofile(person["eeg"].replace(".vhdr", ".eeg"))
    alone, _ = import_eeg([person], OPTIONS)
    assert len(alone.labels) == 20
    without = {name: path for name, path in person.items() if name != "sidecar"}
    joined, record = import_eeg([without], OPTIONS)
    assert record["contiguous"] and len(joined.labels) < 20


def test_a_loud_trial_is_rejected_and_a_flat_channel_left_out(person):
    raw = np.fromfile(person["eeg"].replace(".vhdr", ".eeg"), "<f4").reshape(-1, len(CHANNELS))
    raw[:, 2] = 0
    raw[60:80, 0] += 500
    raw.tofile(person["eeg"].replace(".vhdr", ".eeg"))
    trials, record = import_eeg([person], OPTIONS)
    assert record["rejected"] == 1 and len(trials.labels) == 19
    assert record["dropped"] == {"F3": "flat"} and "F3" not in trials.channels


def test_channels_of_other_types_and_bad_ones_are_left_out(person, tmp_path):
    rows = [
        {"name": name, "type": "EOG" if name == "FP1" else "EEG", "status": "bad" if name == "PZ" else "good"}
        for name in CHANNELS
    ]
    tables.write_table(tmp_path / "channels.tsv", rows)
    trials, record = import_eeg([person | {"channels": str(tmp_path / "channels.tsv")}], OPTIONS)
    assert not {"FP1", "PZ"} & set(trials.channels) and record["dropped"] == {"PZ": "marked bad"}


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"events": ""}, {}, "there is no events.tsv"),
        ({}, {"column": "colour"}, "no column 'colour'.* it has onset, duration, trial_type"),
        ({}, {"classes": ("up",)}, "has no trial of up"),
        ({}, {"reject": 0.001}, "0 of 12 channels are usable"),
        ({}, {"window": (500.0, 501.0)}, "no trial lies within the recording"),
    ],
)
def test_a_fault_is_one_line(person, change, options, message):
    with pytest.raises(RecordingError, match=message) as fault:
        import_eeg([person | change], ImportOptions(**{"window": (0.0, 0.8), **options}))
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("sidecar", "{", "is no JSON object"),
        ("channels", "name\ttype\nC3\tEEG\textra\n", "side.txt"),
        ("electrodes", "name\tx\nC3\t1\n", "has no x, y and z of any channel"),
    ],
)
def test_a_damaged_file_beside_a_recording_is_the_persons_fault(person, tmp_path, kind, text, message):
    (tmp_path / "side.txt").write_text(text)
    trials, record = import_person([person | {kind: str(tmp_path / "side.txt")}], {"window": [0.0, 0.8], "rate": 50.0})
    assert trials is None and message in record["fault"]


def test_a_damaged_file_is_the_persons_fault(person, tmp_path):
    broken = tmp_path / "broken_eeg.edf"
    broken.write_bytes(b"nonsense")
    with pytest.raises(RecordingError, match=r"broken_eeg.edf cannot be read"):
        import_eeg([person | {"eeg": str(broken)}], OPTIONS)


def test_electrodes_are_where_they_were_measured(tmp_path):
    cap = recordings.name_cap()
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    places = {name: 1000 * (turn @ cap[name]) + [5, 20, -30] for name in CHANNELS}
    places["O1"] = places["O1"] + [0, 0, 8]
    tables.write_table(
        tmp_path / "electrodes.tsv", [dict(zip("xyz", place)) | {"name": name} for name, place in places.items()]
    )
    positions, known, how = locate(CHANNELS, tmp_path / "electrodes.tsv")
    assert how == "measured" and all(known)
    np.testing.assert_allclose(positions[:-1], [cap[name] for name in CHANNELS[:-1]], atol=0.004)
    assert 0.004 < positions[-1][2] - cap["O1"][2] < 0.009


def test_an_unknown_name_has_no_place():
    positions, known, how = locate(["CZ", "HUGO"])
    assert known == [True, False] and how == "by name" and np.isnan(positions[1]).all()


def test_a_rigid_motion_is_found():
    points = np.random.default_rng(0).normal(0, 1, (6, 3))
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1.0]])
    found, move = fit_rigid(points, points @ turn.T + [1, 2, 3])
    np.testing.assert_allclose(found, turn, atol=1e-9)
    np.testing.assert_allclose(move, [1, 2, 3], atol=1e-9)
