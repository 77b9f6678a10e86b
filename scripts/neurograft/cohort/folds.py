"""Deal labelled patients into training and test: stratified folds, sites left out, one site to another."""

from collections import defaultdict

import numpy as np

from neurograft.core.split_file import Fold


def deal_folds(subjects, patients, strata, count, seed) -> list[Fold]:
    """Deal patients, sorted by stratum and shuffled within it, round the folds like cards.

    Any run of neighbours, so each value of the first key, and each of the next within it, is then
    spread to within one patient; it needs no fallback where strata are smaller than the folds.

    Parameters
    ----------
    subjects : list of str
    patients : dict of str to str
        Subject to patient: all subjects of a patient stay together.
    strata : dict of str to tuple
        Subject to what the folds are balanced by, the weightiest first.
    count, seed : int

    Returns
    -------
    list of dict
    """
    groups = _group(subjects, patients)
    rng = np.random.default_rng([seed, 0])
    chance = dict(zip(sorted(groups), rng.permutation(len(groups)).tolist()))
    dealt = sorted(groups, key=lambda patient: (strata[groups[patient][0]], chance[patient]))
    return [
        _fold(groups, dealt[index::count], dealt, strata, np.random.default_rng([seed, 1, index]))
        for index in range(count)
    ]


def deal_sites(subjects, patients, strata, sites, seed) -> list[Fold]:
    """Leave one site out at a time: it is tested by networks that trained on all others.

    A subject whose site is not known is in none of these folds. A patient seen at two sites belongs to the first.

    Parameters
    ----------
    subjects, patients, strata, seed
        As in `deal_folds`.
    sites : dict of str to str
        Subject to site, or "".

    Returns
    -------
    list of dict
        A fold a site, `name` is the site; none where there are fewer than two.
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
        One fold; none where one of the two sides has no patient.
    """
    wanted = [subject for subject in subjects if sites[subject] in (*train, *test)]
    groups = _group(wanted, patients)
    tested = [patient for patient in sorted(groups) if sites[groups[patient][0]] in test]
    if not tested or len(tested) == len(groups):
        return []
    name = f"{', '.join(train)} to {', '.join(test)}"
    return [{"name": name, **_fold(groups, tested, sorted(groups), strata, np.random.default_rng([seed, 4]))}]


def _group(subjects, patients):
    """Gather subjects by patient."""
    groups = defaultdict(list)
    for subject in subjects:
        groups[patients[subject]].append(subject)
    return dict(groups)


def _fold(groups, tested, everyone, strata, rng) -> Fold:
    """Make a fold from its test patients: the others train."""
    train = [patient for patient in everyone if patient not in set(tested)]
    spread = _spread(train, {patient: strata[groups[patient][0]][:2] for patient in train}, rng)
    return {
        "test": sorted(subject for patient in tested for subject in groups[patient]),
        "train": [subject for patient in spread for subject in groups[patient]],
    }


def _spread(patients, strata, rng):
    """Order patients at random so that every prefix holds the strata in about their proportions."""
    place = {}
    for stratum in sorted(set(strata.values())):
        members = sorted(patient for patient in patients if strata[patient] == stratum)
        shift = rng.random()
        for rank, member in enumerate(rng.permutation(members).tolist()):
            place[member] = (rank + shift) / len(members)
    return sorted(patients, key=lambda patient: (place[patient], patient))


# the three input channels that every pretrained stem has, filled with T1 where one of them is rare
