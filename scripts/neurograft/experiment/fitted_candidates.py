"""Candidates of a fitted classifier: regions ranked by probability, and the levels that end the list.

The threshold that best separates tumour from brain is too high for a ranked list: a tumour that is unusual among few
training patients has a low probability. The list therefore continues below it, level by level, until the tumours of
training patients predicted by classifiers of the others would be found. The probability of a supervoxel is raised if
its neighbours are probable, because most missed supervoxels are at the tumour border and only partly tumour.
"""

import numpy as np
from scipy import sparse

from neurograft.candidates.proposal import group_supervoxels, rank_regions
from neurograft.candidates.supervoxels import weigh_neighbours
from neurograft.experiment.supervoxel_classifier import fit_classifiers, predict_chances

# levels of probability, like `proposal.LEVELS` for the score without training: 0.5, then halved
LADDER = (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625)
FEWEST = 2  # smallest number of levels
ROUNDS = 2  # of averaging with neighbours; chosen on simulated patients (docs/results.md)
WANTED = 0.95  # mean recall of the tumour over training patients
TOP = 20
PARTS = 4


def list_candidates(chances, features, neighbours, levels):
    """Rank each supervoxel by its candidate.

    Parameters
    ----------
    chances : ndarray of float, shape (n,)
        Probability of tumour.
    features : pandas.DataFrame, n rows
    neighbours : sparse, shape (n, n)
    levels : sequence of float

    Returns
    -------
    ndarray of int, shape (n + 1,)
        1 to `TOP`, or 0 for none; the first entry (0) is outside the brain.
    """
    shared = chances
    for _ in range(ROUNDS):
        shared = (shared + neighbours @ shared) / 2
    # never lowered, because averaging would remove a lesion of one supervoxel
    chances = np.maximum(chances, shared)
    regions, level = group_supervoxels(chances, features, neighbours, levels)
    regions = join_crumbs(regions, chances > levels[-1], neighbours)
    return rank_regions(regions, level, chances, features, TOP)[1]


def join_crumbs(regions, high, neighbours):
    """Add probable supervoxels that are too small for a region of their own to the region with most contact.

    Most of them are at the border of a tumour and contain a part of it.

    Parameters
    ----------
    regions : ndarray of int, shape (n,)
        1 to m, 0 for none.
    high : ndarray of bool, shape (n,)
    neighbours : sparse, shape (n, n)

    Returns
    -------
    ndarray of int, shape (n,)
    """
    inside, crumbs = np.flatnonzero(regions), np.flatnonzero(high & (regions == 0))
    if not len(inside) or not len(crumbs):
        return regions
    members = sparse.csr_array((np.ones(len(inside)), (inside, regions[inside] - 1)), (len(regions), regions.max()))
    contact = sparse.csr_array(sparse.csr_array(neighbours)[crumbs] @ members).toarray()
    joined = regions.copy()
    joined[crumbs] = np.where(contact.max(axis=1) > 0, contact.argmax(axis=1) + 1, 0)
    return joined


def choose_levels(patients, owners, seed=0, threads=1):
    """Choose the levels of a candidate list from training patients only.

    The patients are divided into parts, and each part is predicted by a classifier fitted on the others. The list gets
    the smallest number of levels of `LADDER` with which the first `TOP` candidates contain `WANTED` of the tumours,
    because more levels add false candidates; if no number is enough, it gets all levels.

    Parameters
    ----------
    patients : list of dict
        As for `supervoxel_classifier.fit_classifiers`, with `features` and `segments`.
    owners : list
        Person of each scan; scans of one person stay in one part.
    seed, threads : int

    Returns
    -------
    levels : tuple of float
    recall : dict of str to float
        Recall of the training patients by lowest level, for the levels that were tried; empty if no patient could be
        predicted by others.
    """
    predicted = _predict_each_other(patients, owners, seed, threads)
    recall = {}
    for count in range(FEWEST, len(LADDER) + 1):
        levels = LADDER[:count]
        recalls = [
            _recall(patient, list_candidates(chances, patient["features"], near, levels))
            for patient, chances, near in predicted
        ]
        if not recalls:
            return LADDER, {}
        recall[str(levels[-1])] = round(float(np.mean(recalls)), 4)
        if np.mean(recalls) >= WANTED:
            break
    return levels, recall


def _predict_each_other(patients, owners, seed, threads):
    """Predict each patient with tumour by a classifier fitted on the other parts."""
    parts = {owner: k % PARTS for k, owner in enumerate(dict.fromkeys(owners))}
    part = [parts[owner] for owner in owners]
    predicted = []
    for out in sorted(set(part)):
        placed = list(zip(patients, part, strict=True))
        held = [patient for patient, place in placed if place == out and patient["truth"][:, 0].any()]
        others = [patient for patient, place in placed if place != out]
        if not held or not others:
            continue
        model = fit_classifiers(others, 1, seed, threads)
        for patient in held:
            chances = predict_chances(model, patient, threads)[:, 0]
            predicted.append((patient, chances, weigh_neighbours(patient["segments"], len(chances))))
    return predicted


def _recall(patient, ranks):
    """Compute the share of a patient's tumour that is covered by the listed candidates."""
    tumour = patient["truth"][:, 0] * patient["volume"]
    return tumour[ranks[1:] > 0].sum() / tumour.sum()
