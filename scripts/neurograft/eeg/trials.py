"""The trials of one person: what is kept of a recording, and which of them are own labels and which are tested."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neurograft.core.files import read_json, whole

FEWEST_TESTED = 5  # of each class


class SplitError(ValueError):
    """One person's trials cannot be divided; the message says why."""


@dataclass(frozen=True)
class Trials:
    """The trials of one person, in the order of time.

    Attributes
    ----------
    data : ndarray, shape (trials, channels, samples)
        Volt, average reference.
    labels : tuple of str
        Class of each trial.
    onsets : ndarray, shape (trials,)
        Seconds from the start of the recording, rising.
    channels : tuple of str
        In capitals.
    positions : ndarray, shape (channels, 3)
        Metres, in the head frame (origin between the ears, x to the right ear, y to the nose).
    rate : float
        Samples a second.
    """

    data: np.ndarray
    labels: tuple[str, ...]
    onsets: np.ndarray
    channels: tuple[str, ...]
    positions: np.ndarray
    rate: float

    def pick(self, channels: Sequence[str]) -> "Trials":
        """Keep some channels, by name, in this order, and take the average reference of these."""
        places = [self.channels.index(name) for name in channels]
        data = self.data[:, places]
        return Trials(
            data - data.mean(axis=1, keepdims=True), self.labels, self.onsets, tuple(channels),
            self.positions[places], self.rate,
        )  # fmt: skip


def write_trials(path: str | Path, trials: Trials | None) -> None:
    """Write a person's trials whole as .npz, in single precision; an empty file where there are none."""
    with whole(path) as part, part.open("wb") as file:
        if trials is None:
            return
        np.savez(
            file, data=trials.data.astype(np.float32), labels=np.array(trials.labels, str), onsets=trials.onsets,
            channels=np.array(trials.channels, str), positions=trials.positions, rate=trials.rate,
        )  # fmt: skip


def read_import(path: str | Path, record: str | Path) -> tuple[Trials | None, dict]:
    """Read a person's trials, None where there are none, and the record of their import."""
    return read_trials(path) if Path(path).stat().st_size else None, read_json(record)


def read_trials(path: str | Path) -> Trials:
    """Read a person's trials as written by `write_trials`."""
    with np.load(path) as stored:
        labels, channels = ([str(name) for name in stored[key]] for key in ("labels", "channels"))
        return Trials(
            stored["data"].astype(float), tuple(labels), stored["onsets"], tuple(channels),
            stored["positions"], float(stored["rate"]),
        )  # fmt: skip


def split_trials(labels: Sequence[str], classes: Sequence[str], sizes: Sequence[int]) -> dict:
    """Divide a person's trials in time: first those that may be own labels, then those that are tested.

    Nothing is shuffled: neighbours in time are alike, and a calibration comes before its use. What a donor gives are
    only the trials of the stretch in which all classes occur; beyond it the clock alone would tell the class.

    Parameters
    ----------
    labels : sequence of str
        Class of each trial, in the order of time.
    classes : sequence of str
    sizes : sequence of int
        Numbers of own labels of each class that are wanted; a person with few trials gets the smaller ones.

    Returns
    -------
    dict
        `sizes`: those that leave enough to test; `own`: class to the numbers of its first trials, as many as the
        largest size; `test`: the numbers of all later trials; `given`: what it gives as a donor.

    Raises
    ------
    SplitError
        If even the smallest size leaves too few trials.
    """
    places = {name: [number for number, label in enumerate(labels) if label == name] for name in classes}
    fitting = [size for size in sorted(sizes) if _leaves_enough(places, size)]
    if not fitting:
        counts = ", ".join(f"{len(found)} of '{name}'" for name, found in places.items())
        raise SplitError(
            f"too few trials ({counts}): it takes {min(sizes)} own labels of a class and then {FEWEST_TESTED} to test"
        )
    own = {name: found[: fitting[-1]] for name, found in places.items()}
    border = max(found[-1] for found in own.values())
    first, last = max(found[0] for found in places.values()), min(found[-1] for found in places.values())
    ordered = sorted(number for found in places.values() for number in found)
    return {
        "sizes": fitting,
        "own": own,
        "test": [number for number in ordered if number > border],
        # one more at each end: the neighbour of a class that begins or ends there
        "given": ordered[max(0, ordered.index(first) - 1) : ordered.index(last) + 2],
    }


def _leaves_enough(places, size):
    """Check that enough of every class is left after the last own label."""
    if min(map(len, places.values())) < size + FEWEST_TESTED:
        return False
    border = max(found[size - 1] for found in places.values())
    return all(sum(number > border for number in found) >= FEWEST_TESTED for found in places.values())
