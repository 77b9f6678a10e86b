"""Bring everyone's trials into the sensors of one person, and decode that person with every strategy.

A way into the sensors is a space: `sensors` takes trials as they are, `template` carries them through the template's
cortex, `cortex` through each person's own, and `cortex-wrong-head`, the control, through the next person's.

Of a target's test block nothing is used before it is scored, with three exceptions that take no labels: channels are
left out by the whole recording, a continuous recording is filtered as a whole, and `adabn` standardises by all trials.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from neurograft.core.files import read_json
from neurograft.eeg import decoding
from neurograft.eeg.carrying import carry, make_operator
from neurograft.eeg.decoding import Samples, Target
from neurograft.eeg.heads import read_gains
from neurograft.eeg.trials import SplitError, Trials, read_import, read_trials, split_trials

TASK, SOURCE, SPLIT = "classification", "other-people", "people"
FEWEST_CHANNELS = 0.8  # share of the usual channels that a person must have
WRONG = "cortex-wrong-head"


class PeopleError(ValueError):
    """The people as a whole cannot be decoded; the message is one line."""


@dataclass(frozen=True)
class Person:
    """What is known of a person.

    Attributes
    ----------
    bins : ndarray, shape (trials, channels, bins)
        Microvolt.
    classes : ndarray of int, shape (trials,)
    split : dict
        From `split_trials`.
    gains : dict of str to ndarray, shape (channels, vertices)
        By the name of the head.
    """

    bins: np.ndarray
    classes: np.ndarray
    split: dict
    gains: dict[str, np.ndarray]

    @property
    def before(self) -> int:
        """How many trials come before the test block."""
        return self.split["test"][0]


def read_people(
    names: Sequence[str], trials: Sequence[str], records: Sequence[str], heads: Sequence[str]
) -> dict[str, tuple[Trials | None, dict]]:
    """Read everyone's trials and records; a fault of the head leaves a person out as one of the recording does."""
    read = {}
    for name, path, record, head in zip(names, trials, records, heads, strict=True):
        one, about = read_import(path, record)
        fault = about["fault"] or read_json(head)["fault"]
        read[name] = (None if fault else one, {**about, "fault": fault})
    return read


def split_people(read: Mapping[str, tuple[Trials | None, dict]], classes: Sequence[str], sizes: Sequence[int]) -> dict:
    """Divide everyone's trials, and find the channels that all have.

    Parameters
    ----------
    read : dict of str to tuple
        Person to trials (None where there are none) and record, in which `fault` says why.
    classes : sequence of str
        Empty for all that anyone has.
    sizes : sequence of int

    Returns
    -------
    dict
        `classes`, `channels`, `sizes`, `people` (name to `split_trials`), `left_out` (name to reason).

    Raises
    ------
    PeopleError
        If fewer than three people are left, or two share a trial.
    """
    left_out = {name: record["fault"] for name, (trials, record) in read.items() if trials is None}
    trials = {name: one for name, (one, _) in read.items() if one is not None}
    classes = list(classes) or sorted({label for one in trials.values() for label in one.labels})
    if len(classes) < 2 and trials:
        raise PeopleError(f"the trials have one class, {', '.join(classes)}; import_eeg.column names where classes are")
    usual = float(np.median([len(one.channels) for one in trials.values()])) if trials else 0.0
    people = {}
    for name, one in trials.items():
        if len(one.channels) < FEWEST_CHANNELS * usual:
            left_out[name] = f"{len(one.channels)} usable channels, where others have {usual:g}"
            continue
        try:
            people[name] = split_trials(one.labels, classes, sizes)
        except SplitError as fault:
            left_out[name] = str(fault)
    if len(people) < 3:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in left_out.items())
        raise PeopleError(f"{len(people)} people are left, and it takes 3 ({reasons})")
    _refuse_copies({name: trials[name] for name in people})
    first = trials[next(iter(people))].channels
    channels = [channel for channel in first if all(channel in trials[name].channels for name in people)]
    return {"classes": classes, "channels": channels, "sizes": sorted(sizes), "people": people, "left_out": left_out}


def _refuse_copies(trials):
    """Stop where two people share a trial, number by number: one person under two names is target and donor at once."""
    owners: dict[bytes, str] = {}
    for name, one in trials.items():
        for trial in one.data:
            other = owners.setdefault(sha256(np.ascontiguousarray(trial).tobytes()).digest(), name)
            if other != name:
                raise PeopleError(
                    f"{other} and {name} share a trial, so they are one person under two names, in training and test; "
                    "exclude one of them (dataset.exclude)"
                )


def read_person(trials: str | Path, gains: str | Path, split: Mapping[str, Any], name: str, width: float) -> Person:
    """Read a person's trials in the common channels, as bins, and the gains of the same channels."""
    one = read_trials(trials)
    places = [one.channels.index(channel) for channel in split["channels"]]
    picked = one.pick(split["channels"])
    numbers = np.array([split["classes"].index(label) if label in split["classes"] else -1 for label in picked.labels])
    bins = decoding.bin_trials(picked.data, picked.rate, width)
    return Person(
        bins, numbers, split["people"][name], {head: gain[places] for head, gain in read_gains(gains).items()}
    )


def make_samples(bins: np.ndarray, classes: np.ndarray, before: int) -> Samples:
    """Make a table of trials, in units of the person's amplitude before the test block, which takes no labels."""
    features = bins.reshape(len(bins), -1)
    return Samples(features / features[:before].std(), classes)


def bring_donors(people: Mapping[str, Person], target: str, space: str) -> list[Samples]:
    """Bring the trials of all others into the sensors of a target.

    Parameters
    ----------
    people : dict of str to Person
    target : str
    space : str

    Returns
    -------
    list of Samples
        The trials that each gives, in the order of time.
    """
    names = list(people)
    donors = []
    for name in names:
        if name == target:
            continue
        bins = people[name].bins
        if space != "sensors":
            bins = carry(bins, make_operator(_take_gain(people, name, space), _take_gain(people, target, space)))
        one = make_samples(bins, people[name].classes, people[name].before)
        donors.append(one.take(people[name].split["given"]))
    return donors


def _take_gain(people, name, space):
    """Take the gain of a person's head; of the wrong one, the next person's."""
    names = list(people)
    owner = names[(names.index(name) + 1) % len(names)] if space == WRONG else name
    return people[owner].gains["template" if space == "template" else "cortex"]


def decode_person(
    people: Mapping[str, Person], target: str, spaces: Sequence[str], strategies: Sequence[str], seed: int = 0
) -> tuple[list[dict], list[dict]]:
    """Decode one person with every strategy in every space.

    Parameters
    ----------
    people : dict of str to Person
    target : str
    spaces, strategies : sequence of str
    seed : int

    Returns
    -------
    scores : list of dict
        Rows as in `evaluation.records.ScoreRow`; a person is a fold.
    chosen : list of dict
        `subject`, `space`, `strategy`, `n`, and the `own_weight` and `shrinkage` that were chosen.
    """
    person, scores, chosen = people[target], [], []
    own = [number for found in person.split["own"].values() for number in found]
    samples = make_samples(person.bins, person.classes, person.before)
    known = Target(samples.take(sorted(own)), samples.features)
    for space in spaces:
        fitted = decoding.train_arms(
            known, bring_donors(people, target, space), person.split["sizes"], strategies, seed
        )
        results = decoding.score_arms(fitted, samples.take(person.split["test"]))
        for (strategy, n), result in results.items():
            arm = {"task": TASK, "source": SOURCE, "strategy": strategy, "space": space, "split": SPLIT, "n": n}
            cell = arm | {"fold": list(people).index(target), "seed": seed, "subject": target, "region": ""}
            scores += [cell | {"metric": metric, "value": value} for metric, value in result.items() if value == value]
            first = fitted[strategy, n][0]
            about = {"own_weight": first.own_weight, "shrinkage": first.shrinkage}
            chosen.append({"subject": target, "space": space, "strategy": strategy, "n": n} | about)
    return scores, chosen


SCORES = (
    *("task", "source", "strategy", "space", "split", "n", "fold", "seed"),
    "subject",
    "region",
    "metric",
    "value",
)
CHOSEN = ("subject", "space", "strategy", "n", "own_weight", "shrinkage")


def decode(
    target: str, split: Mapping[str, Any], files: Mapping[str, tuple[str, str]], options: Mapping[str, Any], seed: int
) -> tuple[list[dict], list[dict]]:
    """Read everyone who is in, and decode one person.

    Parameters
    ----------
    target : str
    split : dict
        From `split_people`.
    files : dict of str to tuple of str
        Person to the paths of trials and gains.
    options : dict
        The block `decode` of the configuration.
    seed : int

    Returns
    -------
    scores, chosen : list of dict
        As in `decode_person`; empty for a person who is left out.
    """
    if target not in split["people"]:
        return [], []
    people = {name: read_person(*files[name], split=split, name=name, width=options["bin"]) for name in split["people"]}
    return decode_person(people, target, options["spaces"], options["strategies"], seed)
