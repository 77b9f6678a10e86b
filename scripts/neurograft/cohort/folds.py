"""Divide labelled patients into training and test: stratified folds, leave one site out, one site to another."""

from collections import defaultdict

import numpy as np

from neurograft.core.control_splits import name_part
from neurograft.core.split_file import Fold

# of which the one with the fewest test sets of earlier partitions becomes the next partition
TRIES = 20


def deal_folds(subjects, patients, strata, count, seed, repeats=1) -> list[Fold]:
    """Sort patients by stratum, shuffle them within strata, and assign them to the folds in turn.

    Each value of the first key, and each value of the next key within it, is thus balanced over the folds to within
    one patient. Strata with fewer patients than folds need no special treatment.

    Parameters
    ----------
    subjects : list of str
    patients : dict of str to str
        Subject to patient: all subjects of a patient stay in one fold.
    strata : dict of str to tuple
        Subject to the values by which the folds are balanced, the most important first.
    count : int
    seed : int or list of int
    repeats : int
        How often the same patients are dealt, each time by another shuffle. The first partition does not depend on it,
        and a test set is repeated only where the patients leave no other way.

    Returns
    -------
    list of dict
        Fold `f` of partition `r` is number `r * count + f`, and says `r` as `repeat` if there are several.
    """
    groups, seed = _group(subjects, patients), [seed] if isinstance(seed, int) else seed
    first = {patient: strata[own[0]] for patient, own in groups.items()}
    partitions = [_shuffle(first, [*seed, 0])]
    for repeat in range(1, repeats):
        # few patients can be divided in few ways: a set that was tested before would be trained on again
        known = {frozenset(dealt[index::count]) for dealt in partitions for index in range(count)}
        tries = (_shuffle(first, [*seed, 5, repeat, attempt]) for attempt in range(TRIES))
        partitions.append(min(tries, key=lambda dealt: len({frozenset(dealt[k::count]) for k in range(count)} & known)))
    folds: list[Fold] = []
    for repeat, dealt in enumerate(partitions):
        for index in range(count):
            order = np.random.default_rng([*seed, 1, len(folds)])
            fold = _fold(groups, dealt[index::count], dealt, strata, order)
            folds.append({**fold, "repeat": repeat} if repeats > 1 else fold)
    return folds


def _shuffle(strata, seed):
    """Sort patients by stratum, in an order by chance within strata."""
    chance = dict(zip(sorted(strata), np.random.default_rng(seed).permutation(len(strata)).tolist()))
    return sorted(strata, key=lambda patient: (strata[patient], chance[patient]))


def deal_sites(subjects, patients, strata, sites, seed) -> list[Fold]:
    """Leave one site out at a time: networks trained on all other sites are tested on it.

    A subject whose site is unknown is in none of these folds. A patient with two sites belongs to the first.

    Parameters
    ----------
    subjects, patients, strata, seed
        As in `deal_folds`.
    sites : dict of str to str
        Subject to site, or "".

    Returns
    -------
    list of dict
        One fold for each site, with the site as `name`; none if there are fewer than two sites.
    """
    groups = _group([subject for subject in subjects if sites[subject]], patients)
    home = {patient: sites[own[0]] for patient, own in groups.items()}
    names = sorted(set(home.values()))
    if len(names) < 2:
        return []
    return [
        {
            "name": name,
            **_fold(
                groups,
                [patient for patient in sorted(groups) if home[patient] == name],
                sorted(groups),
                strata,
                np.random.default_rng([seed, 3, index]),
            ),
        }
        for index, name in enumerate(names)
    ]


def deal_between(subjects, patients, strata, sites, train, test, seed) -> list[Fold]:
    """Train on some sites and test on others: one fold.

    Parameters
    ----------
    subjects, patients, strata, sites, seed
        As in `deal_sites`.
    train, test : list of str
        Names of sites.

    Returns
    -------
    list of dict
        One fold; none if either side has no patient.
    """
    wanted = [subject for subject in subjects if sites[subject] in (*train, *test)]
    groups = _group(wanted, patients)
    tested = [patient for patient in sorted(groups) if sites[groups[patient][0]] in test]
    if not tested or len(tested) == len(groups):
        return []
    name = f"{', '.join(train)} to {', '.join(test)}"
    return [{"name": name, **_fold(groups, tested, sorted(groups), strata, np.random.default_rng([seed, 4]))}]


def deal_slices(subjects, strata, count, seed, parts) -> list[Fold]:
    """Divide pictures into folds whoever they are of, as many papers do: slices of one patient are on both sides.

    Parameters
    ----------
    subjects, strata, count, seed
        As in `deal_folds`.
    parts : bool
        Whether a subject has several slices. Each fold then tests one part of every subject's slices and trains on its
        others (`control_splits.name_part`); which slices are in a part is decided where they are read. Otherwise every
        subject is one picture, and is dealt like a patient.

    Returns
    -------
    list of dict
        Sorted lists, since nothing is nested in them.
    """
    if not parts:
        return deal_folds(subjects, {subject: subject for subject in subjects}, strata, count, [seed, 6])
    return [
        {
            "test": [name_part(subject, index) for subject in subjects],
            "train": [name_part(subject, part) for subject in subjects for part in range(count) if part != index],
        }
        for index in range(count)
    ]


def deal_own(subjects, sides) -> list[Fold]:
    """Take the division into training and test that a set of pictures comes with: one fold, whoever is in it.

    Parameters
    ----------
    subjects : list of str
    sides : dict of str to str
        Subject to "train", "test" or "".

    Returns
    -------
    list of dict
        None if a side is empty.
    """
    train, test = ([subject for subject in subjects if sides[subject] == side] for side in ("train", "test"))
    return [{"name": "as the dataset is divided", "test": test, "train": train}] if train and test else []


def _group(subjects, patients):
    """Group subjects by patient."""
    groups = defaultdict(list)
    for subject in subjects:
        groups[patients[subject]].append(subject)
    return dict(groups)


def _fold(groups, tested, everyone, strata, rng) -> Fold:
    """Make a fold from its test patients; all others are for training."""
    train = [patient for patient in everyone if patient not in set(tested)]
    spread = _spread(train, {patient: strata[groups[patient][0]][:2] for patient in train}, rng)
    return {
        "test": sorted(subject for patient in tested for subject in groups[patient]),
        "train": [subject for patient in spread for subject in groups[patient]],
    }


def _spread(patients, strata, rng):
    """Order patients at random so that every prefix has about the overall proportions of the strata."""
    place = {}
    for stratum in sorted(set(strata.values())):
        members = sorted(patient for patient in patients if strata[patient] == stratum)
        shift = rng.random()
        for rank, member in enumerate(rng.permutation(members).tolist()):
            place[member] = (rank + shift) / len(members)
    return sorted(patients, key=lambda patient: (place[patient], patient))
