"""Whether two stacks show the same head: keypoints that are alike *and* lie in the same arrangement."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from neurograft.guard.keypoints import TURNS, Keypoints, turn_values

ALIKE = 0.75  # the lowest correlation of two descriptors that may be the same blob
STRONG = 0.9  # from here it hardly is another one
SIZES = np.log2(1.6)  # of two blobs that may be the same
TURN, SCALE = np.radians(25), np.log(1.5)  # of one picture against the other, at most
NEAR = 3.0  # pixels from where the motion puts a keypoint
TRIES = 400


@dataclass(frozen=True)
class Match:
    """What two stacks have in common.

    Attributes
    ----------
    strong : int
        Pairs of keypoints that are strongly alike and that one motion explains.
    agreeing, paired : int
        Those that are alike and that one motion explains, and all that are alike.
    turn : str
        How the first is turned: a key of `keypoints.TURNS`.
    motion : ndarray, shape (4, 3), or None
        From places of the first stack (turned, and 1) to places of the second; None if too few agree.
    """

    strong: int = 0
    agreeing: int = 0
    paired: int = 0
    turn: str = "as it is"
    motion: np.ndarray | None = None


def match_keypoints(first: Keypoints, second: Keypoints, turns=("as it is", "mirrored"), least=4) -> Match:
    """Match the keypoints of two stacks in several orientations, and return the best match.

    Parameters
    ----------
    first, second : Keypoints
    turns : sequence of str
        Keys of `keypoints.TURNS`.
    least : int
        Fewer pairs that are strongly alike are not looked at further.

    Returns
    -------
    Match
    """
    best, others = Match(), second.values.astype(np.float32) / 127
    for turn in turns:
        values = turn_values(first.values, turn).astype(np.float32) / 127
        one, two, alike = _pair_up(values, others)
        near = np.abs(np.log2(first.sizes[one] / second.sizes[two])) <= SIZES
        one, two, alike = one[near], two[near], alike[near]
        if (alike >= STRONG).sum() < least:
            continue
        places = turn_places(first.places[one], turn)
        inside, motion = _find_motion(places, second.places[two])
        strong = int((alike[inside] >= STRONG).sum())
        if (strong, inside.sum()) > (best.strong, best.agreeing):
            best = Match(strong, int(inside.sum()), len(one), turn, motion)
    return best


def turn_places(places, turn):
    """Turn places as a turned picture would have them, but for a shift."""
    return places * np.array([-1 if flipped else 1 for flipped in (*TURNS[turn], False)], np.float32)


def _pair_up(values, others):
    """Pair the descriptors that are each other's most similar: indices of both, and their likeness."""
    if not len(values) or not len(others):
        none = np.zeros(0, int)
        return none, none, np.zeros(0)
    likeness = values @ others.T
    best, back = likeness.argmax(1), likeness.argmax(0)
    first = np.flatnonzero(back[best] == np.arange(len(values)))
    top = likeness[first, best[first]]
    kept = top >= ALIKE
    return first[kept], best[first[kept]], top[kept]


def _find_motion(places, others):
    """Find the motion (shift, turn, scale, tilt) that explains most pairs.

    Returns
    -------
    inside : ndarray of bool, shape (M,)
    motion : ndarray, shape (4, 3), or None
    """
    nothing = np.zeros(len(places), bool)
    if len(places) < 4:
        return nothing, None
    flat, aimed = places[:, 0] + 1j * places[:, 1], others[:, 0] + 1j * others[:, 1]
    one, two = np.random.default_rng(0).integers(0, len(flat), (2, TRIES))
    apart = np.abs(flat[two] - flat[one]) > 3 * NEAR
    one, two = one[apart], two[apart]
    factor = (aimed[two] - aimed[one]) / (flat[two] - flat[one])
    fits = (np.abs(np.log(np.abs(factor) + 1e-9)) < SCALE) & (np.abs(np.angle(factor)) < TURN)
    one, factor = one[fits], factor[fits]
    if not len(one):
        return nothing, None
    off = np.abs(factor[:, None] * (flat[None] - flat[one, None]) + aimed[one, None] - aimed[None])
    best = (off < 1.5 * NEAR).sum(1).argmax()
    inside, motion, guess = off[best] < 1.5 * NEAR, None, np.zeros((4, 3))
    guess[:2, :2] = [[factor[best].real, factor[best].imag], [-factor[best].imag, factor[best].real]]
    guess[2, 2] = 1
    extended = np.c_[places, np.ones(len(places))].astype(float)
    for _ in range(4):
        if inside.sum() < 4:
            return nothing, None
        # tilted slices: the place also depends on the slice; few pairs stay close to the guess
        ridge = np.diag([100, 100, 100, 1e-6])
        left = extended[inside]
        motion = np.linalg.solve(left.T @ left + ridge, left.T @ others[inside] + ridge @ guess)
        away = extended @ motion - others
        inside = (np.hypot(away[:, 0], away[:, 1]) < NEAR) & (np.abs(away[:, 2]) < 2 * NEAR)
    return inside, motion


def compare_slices(first, second, match):
    """Compare two stacks, place by place, after the motion that their keypoints suggest.

    Parameters
    ----------
    first, second : Stack
    match : Match
        With a motion.

    Returns
    -------
    float
        Mean correlation of the five slices of the first stack that fit best, within both heads; of all slices if fewer.
        0 if they do not overlap.
    """
    number, row, column = np.mgrid[0 : len(first.slices), 0 : first.slices.shape[1], 0 : first.slices.shape[2]]
    places = np.stack([column.ravel(), row.ravel(), number.ravel() * first.gap], 1).astype(np.float32)
    aimed = np.c_[turn_places(places, match.turn), np.ones(len(places))] @ match.motion
    at = [aimed[:, 2] / second.gap, aimed[:, 1], aimed[:, 0]]
    there = (at[0] > -0.6) & (at[0] < len(second.slices) - 0.4)
    smooth = [gaussian_filter(stack.slices, (0, 0.8, 0.8), truncate=2.5) for stack in (first, second)]
    moved = map_coordinates(smooth[1], at, order=1, mode="nearest") * there
    moved = moved.reshape(number.shape)
    both = (np.abs(first.slices) > 1e-3) & (np.abs(moved) > 1e-3)
    found = [
        np.corrcoef(smooth[0][k][both[k]], moved[k][both[k]])[0, 1] for k in range(len(both)) if both[k].sum() > 200
    ]
    return float(np.mean(sorted(found)[-5:])) if found else 0.0
