"""Read one person's EEG and cut it into trials: filter, epoch, resample, reject, average reference, positions by name.

mne is imported where it is needed: it is an optional part, and takes a second.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurograft.core.tables import TableError, parse_number, read_table
from neurograft.eeg.trials import Trials

READERS = {
    ".edf": "read_raw_edf",
    ".bdf": "read_raw_bdf",
    ".vhdr": "read_raw_brainvision",
    ".set": "read_raw_eeglab",
}
CAP = "colin27_1005"
FLAT = 1e-7  # volt, standard deviation of a channel that measures nothing
NOISY = 0.5  # share of the trials that a channel may spoil before it is left out
LEAST_CHANNELS = 8
UNITS = {"m": 1.0, "cm": 0.01, "mm": 0.001}
LANDMARKS = {"NAS": "nasion", "LPA": "lpa", "RPA": "rpa", "NASION": "nasion"}


class RecordingError(ValueError):
    """A fault of one person's recording; the message says what it is, and the person is left out."""


@dataclass(frozen=True)
class ImportOptions:
    """The block `import_eeg` of the configuration.

    Attributes
    ----------
    band : tuple of float
        Lowest and highest frequency kept, Hz.
    window : tuple of float
        Start and end of a trial, seconds from its event.
    rate : float
        Samples a second that are kept.
    reject : float
        Largest range of a channel within a trial, microvolt.
    column : str
        Column of `events.tsv` that has the class.
    classes : tuple of str
        Its values that are classes; others are no trials. Empty for all values.
    """

    band: tuple[float, float] = (0.5, 30.0)
    window: tuple[float, float] = (0.0, 0.8)
    rate: float = 100.0
    reject: float = 150.0
    column: str = "trial_type"
    classes: tuple[str, ...] = ()


def import_eeg(runs: Sequence[Mapping[str, str]], options: ImportOptions) -> tuple[Trials, dict]:
    """Read the recordings of one person.

    Parameters
    ----------
    runs : list of dict
        Each run's files: `eeg`, `events` and where they exist `channels`, `sidecar`, `electrodes`, `coordsystem`.
    options : ImportOptions

    Returns
    -------
    trials : Trials
    record : dict
        Counts of `trials` and `rejected`; `dropped` channels with the reason; `positions`: "measured" or "by name";
        `contiguous`: whether a filter could run over the whole recording.

    Raises
    ------
    RecordingError
        One line.
    """
    parts, record = [], {"rejected": 0, "dropped": {}, "contiguous": True}
    shift = 0.0
    for run in runs:
        part, length = _read_run(run, options, record)
        parts.append((part, shift))
        shift += length
    shared = [name for name in parts[0][0].channels if all(name in part.channels for part, _ in parts)]
    if len(shared) < LEAST_CHANNELS:
        raise RecordingError(f"{len(shared)} usable channels; it takes {LEAST_CHANNELS}")
    picked = [part.pick(shared) for part, _ in parts]
    onsets = np.concatenate([part.onsets + start for part, start in parts])
    labels = tuple(label for part in picked for label in part.labels)
    data = np.concatenate([part.data for part in picked])
    record["trials"] = len(labels)
    return Trials(data, labels, onsets, tuple(shared), picked[0].positions, options.rate), record


def import_person(runs: Sequence[Mapping[str, str]], options: Mapping) -> tuple[Trials | None, dict]:
    """Do as `import_eeg`, with a person's own fault as a record.

    Parameters
    ----------
    runs : list of dict
    options : dict
        The block `import_eeg` of the configuration.

    Returns
    -------
    trials : Trials or None
    record : dict
        `fault` says why there are no trials, or is "".
    """
    settings: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in options.items() if name != "task"
    }
    try:
        trials, record = import_eeg(runs, ImportOptions(**settings))
    except RecordingError as fault:
        return None, {"fault": str(fault)}
    return trials, record | {"fault": ""}


def _read_run(run, options, record) -> tuple[Trials, float]:
    """Read one run; return its trials and its length in seconds, and add to the record."""
    import mne  # pyright: ignore[reportMissingImports] # optional

    path = Path(run["eeg"])
    raw = _open_raw(path)
    names, dropped = _choose_channels(raw, run.get("channels"))
    record["dropped"] |= dropped
    sidecar = _read_about(run.get("sidecar"))
    borders = any(
        str(note).upper().startswith(("BAD BOUNDARY", "EDGE", "BOUNDARY")) for note in raw.annotations.description
    )
    contiguous = sidecar.get("RecordingType", "continuous") == "continuous" and not borders
    record["contiguous"] &= contiguous
    signal, rate = raw.get_data(names), float(raw.info["sfreq"])
    if contiguous:
        signal = mne.filter.filter_data(signal, rate, *_limit_band(options.band, rate), verbose="error")
    events = _read_events(run.get("events"), options)
    data, events = _cut(signal, rate, events, options)
    if not contiguous:
        # trials that do not follow each other: each is filtered alone, and what is slower than a trial is its mean
        high = _limit_band(options.band, rate)[1]
        if high is not None:
            data = mne.filter.filter_data(data, rate, None, high, verbose="error")
    kept = [label for _, label in events]
    good, spoiled = _find_good(data, names, options.reject)
    record["dropped"] |= spoiled
    usable = [number for number, name in enumerate(names) if name not in spoiled]
    if len(usable) < LEAST_CHANNELS:
        raise RecordingError(f"{len(usable)} of {len(names)} channels are usable; it takes {LEAST_CHANNELS}")
    if not good.any():
        raise RecordingError(f"no trial of {path.name} is within {options.reject:g} microvolt")
    record["rejected"] += int((~good).sum())
    data = data[good][:, usable]
    before = round(-options.window[0] * rate)
    data = data - data[..., : before if before > 1 else None].mean(axis=-1, keepdims=True)
    if options.rate != rate:
        data = mne.filter.resample(data, options.rate, rate, method="polyphase", verbose="error")
    positions, known, how = locate([names[number] for number in usable], run.get("electrodes"), run.get("coordsystem"))
    record["positions"] = how
    placed = [number for number, yes in enumerate(known) if yes]
    record["dropped"] |= {names[usable[n]]: "no position" for n, yes in enumerate(known) if not yes}
    channels = tuple(names[usable[number]] for number in placed)
    if len(channels) < LEAST_CHANNELS:
        raise RecordingError(
            f"{len(channels)} of {len(names)} channels have a known position; it takes {LEAST_CHANNELS}"
        )
    labels = tuple(label for label, yes in zip(kept, good, strict=True) if yes)
    onsets = np.array([onset for (onset, _), yes in zip(events, good, strict=True) if yes])
    trials = Trials(data[:, placed], labels, onsets, channels, positions[placed], options.rate)
    return trials.pick(channels), raw.n_times / rate


def _open_raw(path):
    """Open a recording with MNE's reader of its kind."""
    import mne  # pyright: ignore[reportMissingImports] # optional

    try:
        return getattr(mne.io, READERS[path.suffix.lower()])(path, preload=True, verbose="error")
    except Exception as error:  # readers raise whatever a broken file makes them stumble over
        raise RecordingError(f"{path.name} cannot be read ({' '.join(str(error).split())[:120]})") from None


def _choose_channels(raw, table):
    """Name the channels of the scalp, and say why others are left out; names are put in capitals."""
    raw.rename_channels({name: name.strip(" .").upper() for name in raw.ch_names})
    kinds = dict(zip(raw.ch_names, raw.get_channel_types(), strict=True))
    dropped = {}
    for row in _read_rows(table):
        name = row.get("name", "").strip(" .").upper()
        if row.get("type", "EEG").upper() not in ("EEG", "N/A", ""):
            kinds[name] = row["type"].lower()
        elif row.get("status", "") == "bad":
            dropped[name] = "marked bad"
    names = [name for name in raw.ch_names if kinds[name] == "eeg" and name not in dropped]
    if not names:
        raise RecordingError("no channel is of type EEG")
    return names, dropped


def _read_rows(path):
    """Read a table beside a recording; a broken one is the person's fault. Nothing where there is none."""
    try:
        return read_table(path) if path else []
    except TableError as error:
        raise RecordingError(str(error)) from None


def _read_about(path):
    """Read a JSON file beside a recording; a broken one is the person's fault. Nothing where there is none."""
    if not path:
        return {}
    try:
        about = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError:
        about = None
    if not isinstance(about, dict):
        raise RecordingError(f"{Path(path).name} is no JSON object")
    return about


def _limit_band(band, rate):
    """Give the limits of a filter; None where there is nothing to take out."""
    low, high = band
    return low or None, high if high and high < rate / 2 else None


def _read_events(path, options):
    """List onset and class of every trial, in the order of time."""
    if not path:
        raise RecordingError("there is no events.tsv beside the recording")
    rows = _read_rows(path)
    if rows and (options.column not in rows[0] or "onset" not in rows[0]):
        raise RecordingError(
            f"{Path(path).name} has no column '{options.column}' or no 'onset'; it has {', '.join(rows[0])}"
        )
    found = [(parse_number(row["onset"]), row[options.column]) for row in rows]
    wanted = [
        (onset, label)
        for onset, label in found
        if onset is not None and label not in ("", "n/a") and (not options.classes or label in options.classes)
    ]
    if not wanted:
        asked = f" of {', '.join(options.classes)}" if options.classes else ""
        raise RecordingError(f"{Path(path).name} has no trial{asked}")
    return sorted(wanted)


def _cut(signal, rate, events, options):
    """Cut a signal into trials; those that do not lie within it are left out."""
    first = round(options.window[0] * rate)
    samples = round((options.window[1] - options.window[0]) * rate)
    starts = [round(onset * rate) + first for onset, _ in events]
    inside = [start >= 0 and start + samples <= signal.shape[1] for start in starts]
    kept = [event for event, yes in zip(events, inside, strict=True) if yes]
    if not kept:
        raise RecordingError("no trial lies within the recording; are the onsets in seconds?")
    cut = np.stack([signal[:, s : s + samples] for s, yes in zip(starts, inside, strict=True) if yes])
    return cut, kept


def _find_good(data, names, limit) -> tuple[np.ndarray, dict]:
    """Say which trials are good, after channels that are flat or spoil most trials are left out."""
    wide = np.ptp(data, axis=-1) * 1e6 > limit
    flat: np.ndarray = np.asarray(data.std(axis=(0, 2)) < FLAT)
    noisy: np.ndarray = np.asarray((wide.mean(axis=0) > NOISY) & ~flat)
    spoiled = {name: "flat" for name, bad in zip(names, flat, strict=True) if bad}
    spoiled |= {name: f"over {limit:g} microvolt in most trials" for name, bad in zip(names, noisy, strict=True) if bad}
    return ~np.any(wide[:, ~(flat | noisy)], axis=1), spoiled


def name_cap() -> dict[str, np.ndarray]:
    """Give the place of every electrode of the 10-05 system, by name in capitals, metres in the head frame."""
    import mne  # pyright: ignore[reportMissingImports] # optional

    montage = mne.channels.make_standard_montage(CAP)
    to_head = mne.channels.compute_native_head_t(montage)["trans"]
    places = montage.get_positions()["ch_pos"]
    return {name.upper(): to_head[:3, :3] @ place + to_head[:3, 3] for name, place in places.items()}


def locate(names, electrodes=None, coordsystem=None) -> tuple[np.ndarray, list[bool], str]:
    """Find the places of electrodes: measured ones where there is a table, else by name.

    Measured places without landmarks are turned and shifted onto those of the same names.

    Parameters
    ----------
    names : list of str
    electrodes, coordsystem : str, optional
        Paths of BIDS `electrodes.tsv` and `coordsystem.json`.

    Returns
    -------
    positions : ndarray, shape (names, 3)
        Metres in the head frame; NaN where unknown.
    known : list of bool
    how : {"measured", "by name"}
    """
    cap = name_cap()
    named = np.array([cap.get(name, np.full(3, np.nan)) for name in names])
    if not electrodes:
        return named, [bool(np.isfinite(place).all()) for place in named], "by name"
    about = _read_about(coordsystem)
    unit = UNITS.get(about.get("EEGCoordinateUnits", ""))
    rows = {row.get("name", "").strip(" .").upper(): row for row in _read_rows(electrodes)}
    table = {name: [parse_number(row.get(axis)) for axis in "xyz"] for name, row in rows.items()}
    measured = np.array([[np.nan if x is None else x for x in table.get(name, [None] * 3)] for name in names], float)
    if not np.isfinite(measured).all(axis=1).any():
        raise RecordingError(f"{Path(electrodes).name} has no x, y and z of any channel; correct it, or take it away")
    if unit is None:
        # a head's radius is about a tenth of a metre
        size = np.nanmedian(np.linalg.norm(measured - np.nanmean(measured, axis=0), axis=1))
        unit = 0.001 if size > 20 else 0.01 if size > 2 else 1.0
    measured = measured * unit
    given = about.get("AnatomicalLandmarkCoordinates")
    marks = {
        LANDMARKS[key]: np.array(place, float) * unit
        for key, place in (given.items() if isinstance(given, dict) else ())
        if key in LANDMARKS and isinstance(place, list) and [type(x) in (int, float) for x in place] == [True] * 3
    }
    if {"nasion", "lpa", "rpa"} <= marks.keys():
        measured = _to_head_frame(measured, marks)
    else:
        both = np.isfinite(measured).all(axis=1) & np.isfinite(named).all(axis=1)
        if both.sum() < LEAST_CHANNELS:
            raise RecordingError("electrodes.tsv has no landmarks in its coordsystem.json and no known names to go by")
        turn, move = fit_rigid(measured[both], named[both])
        measured = measured @ turn.T + move
    return measured, [bool(np.isfinite(place).all()) for place in measured], "measured"


def _to_head_frame(points, marks):
    """Bring points into the frame of the landmarks: x through the ears to the right, y to the nose."""
    across = marks["rpa"] - marks["lpa"]
    x = across / np.linalg.norm(across)
    origin = marks["lpa"] + x * ((marks["nasion"] - marks["lpa"]) @ x)
    y = marks["nasion"] - origin
    y = y / np.linalg.norm(y)
    return (points - origin) @ np.stack([x, y, np.cross(x, y)]).T


def fit_rigid(points: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Fit the rotation and shift that best bring points onto others (Kabsch), shape (points, 3) each."""
    middle, target = points.mean(axis=0), wanted.mean(axis=0)
    left, _, right = np.linalg.svd((wanted - target).T @ (points - middle))
    turn = left @ np.diag([1, 1, np.sign(np.linalg.det(left @ right))]) @ right
    return turn, target - turn @ middle
