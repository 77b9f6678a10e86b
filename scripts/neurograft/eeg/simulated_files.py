"""Write a simulated person as BIDS: a BrainVision recording, its events, and where its electrodes were."""

from pathlib import Path

import numpy as np

from neurograft.core.files import whole, write_json
from neurograft.core.tables import write_table

GAP = 0.5  # s of silence before every trial and after the last


def write_person(folder: str | Path, name: str, data: np.ndarray, labels: list[str], about: dict) -> None:
    """Write one person's recording into a BIDS folder.

    Parameters
    ----------
    folder : str or Path
        Of the person's EEG, written whole.
    name : str
        What the files' names begin with, such as `sub-1_task-simulated`.
    data : ndarray, shape (trials, channels, samples)
        Volt.
    labels : list of str
        Class of each trial.
    about : dict
        `channels` (names), `rate` (samples a second), and `positions` (channels, 3), metres in the head frame, or None
        where the cap was not digitised.
    """
    rate, channels = about["rate"], about["channels"]
    gap = round(GAP * rate)
    quiet = np.zeros((data.shape[1], gap))
    signal = np.concatenate([part for trial in data for part in (quiet, trial)] + [quiet], axis=1)
    onsets = [(gap + number * (gap + data.shape[2])) / rate for number in range(len(data))]
    with whole(folder) as part:
        part.mkdir()
        (part / f"{name}_eeg.eeg").write_bytes((signal.T * 1e6).astype("<f4").tobytes())
        (part / f"{name}_eeg.vhdr").write_text(_write_header(name, channels, rate), encoding="utf-8")
        (part / f"{name}_eeg.vmrk").write_text(_MARKERS.format(name=name), encoding="utf-8")
        rows = [
            {"onset": onset, "duration": 0, "trial_type": label} for onset, label in zip(onsets, labels, strict=True)
        ]
        write_table(part / f"{name}_events.tsv", rows)
        write_json(
            part / f"{name}_eeg.json", {"TaskName": "simulated", "SamplingFrequency": rate, "RecordingType": "epoched"}
        )
        if about["positions"] is not None:
            places: list = [
                dict(zip(("name", "x", "y", "z"), (one, *place))) for one, place in zip(channels, about["positions"])
            ]
            write_table(part / f"{name.split('_')[0]}_electrodes.tsv", places)
            marks = {"NAS": [0, 0.1, 0], "LPA": [-0.08, 0, 0], "RPA": [0.08, 0, 0]}
            unit = {"EEGCoordinateSystem": "Other", "EEGCoordinateUnits": "m", "AnatomicalLandmarkCoordinates": marks}
            write_json(part / f"{name.split('_')[0]}_coordsystem.json", unit)


def _write_header(name, channels, rate):
    """Write the header of a BrainVision recording."""
    listed = "\n".join(f"Ch{number}={one},,1,µV" for number, one in enumerate(channels, 1))
    return _HEADER.format(name=name, count=len(channels), interval=1e6 / rate, listed=listed)


_HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={name}_eeg.eeg
MarkerFile={name}_eeg.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels={count}
SamplingInterval={interval:g}
[Binary Infos]
BinaryFormat=IEEE_FLOAT_32
[Channel Infos]
{listed}
"""
_MARKERS = """Brain Vision Data Exchange Marker File, Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile={name}_eeg.eeg
[Marker Infos]
"""
