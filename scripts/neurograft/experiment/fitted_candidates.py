"""Candidates of a fitted classifier: regions ranked by probability, and how far down their list goes.

A probability that tells tumour from brain best is no limit for a list that a reader goes through from its top: what
is unusual among few training patients is improbable, and still the tumour. So the list goes on below, level by level,
until training patients who were predicted by others would have been found. A supervoxel whose neighbours are probable
becomes more so itself: the border of a tumour, supervoxels that are only partly tumour, is most of what is missed.
"""

import numpy as np
from scipy import sparse

from neurograft.candidates.proposal import group_supervoxels, rank_regions
from neurograft.candidates.supervoxels import weigh_neighbours
from neurograft.experiment.supervoxel_classifier import fit_classifiers, predict_chances

# probabilities, as `proposal.LEVELS` are levels of the score without training: rather tumour than not, halved
LADDER = (0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625)
FEWEST = 2  # levels, whatever training patients say
ROUNDS = 2  # of sharing; chosen on simulated patients (docs/results.md)
WANTED = 0.95  # of the tumour, mean of the training patients
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
        1 to `TOP`, 0 for none, from the outside (0) on.
    """
    shared = chances
    for _ in range(ROUNDS):
        shared = (shared + neighbours @ shared) / 2
    # only raised, for a lesion of one supervoxel would be shared out among its neighbours
    chances = np.maximum(chances, shared)
    regions, level = group_supervoxels(chances, features, neighbours, levels)
    regions = join_crumbs(regions, chances > levels[-1], neighbours)
    return rank_regions(regions, level, chances, features, TOP)[1]


def join_crumbs(regions, high, neighbours):
    """Add what is high, but too small for a region of its own, to the region that it touches most.

    Most of it is the border of a tumour, supervoxels that hold a part of it.

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
    """Choose the levels of a list of candidates on training patients alone.

    The patients are dealt into parts, and each part is predicted by a classifier of the others. The list gets as few
    levels of `LADDER` as bring `WANTED` of their tumours into its first `TOP` candidates, for every level more brings
    false candidates too; where none does, all of them.

    Parameters
    ----------
    patients : list of dict
        As `supervoxel_classifier.fit_classifiers` takes them, `features` and `segments` beside.
    owners : list
        Whose scans they are: scans of one person stay in one part.
    seed, threads : int

    Returns
    -------
    levels : tuple of float
    recall : dict of str to float
        Of the training patients, by the lowest level, as far as the ladder was gone down; empty if nobody could be
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
    """Predict each patient that has tumour by a classifier of the other parts."""
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
    """Compute the share of a patient's tumour that is in the listed candidates."""
    tumour = patient["truth"][:, 0] * patient["volume"]
    return tumour[ranks[1:] > 0].sum() / tumour.sum()
