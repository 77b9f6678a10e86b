"""Transferability scores of the sources of a run: from the files of their features to a table, and its audit.

Tables are lists of dicts, one a row.
"""

from pathlib import Path

import numpy as np

from . import images, transferability
from .comparison import PRIMARY

NOT_SLICES = "a 3-D source: only features of slices are scored"


def score_features(folder, space, source, seed=0):
    """Score one source's features of every labelled patient.

    Parameters
    ----------
    folder : str or Path
        What `features.extract_features` wrote.
    space, source : str
    seed : int

    Returns
    -------
    list of dict
        Rows of `SCORED`, one a score.
    """
    found = read_features(folder)
    if found["reason"] or not len(found["labels"]):
        return _unscored(space, source, found["reason"] or "no labelled patient to score it on")
    rows = transferability.score_source(
        found["maps"], found["labels"], found["patients"], seed=seed, head=found["head"]
    )
    return [{"space": space, "source": source} | row for row in rows]


def gather_scores(rows, volumes=(), spaces=()):
    """Put the scores of all sources into one table; sources of volumes are listed with the reason that they have none.

    Parameters
    ----------
    rows : list of dict
        Of every source that `score_features` scored, values as numbers or text.
    volumes, spaces : iterable of str
        Names of the 3-D sources, and the spaces that they would be scored in.

    Returns
    -------
    list of dict
    """
    return [*rows, *(row for space in spaces for name in volumes for row in _unscored(space, name, NOT_SLICES))]


def read_features(folder):
    """Read a source's folder.

    Returns
    -------
    dict
        `reason`, `labels` and `patients` of all pixels, `maps` (a generator of one map after another, for they may
        be large), `head` (probabilities, labels and patients of slices, or None).
    """
    files = {path.stem.removeprefix("sub-"): path for path in sorted(Path(folder).glob("sub-*.npz"))}

    def read(name):
        """One array of every patient."""
        found = []
        for path in files.values():
            with np.load(path) as packed:
                found.append(packed[name])
        return found

    def join(name):
        return np.concatenate(read(name))

    def owners(name):
        return np.repeat(list(files), [len(part) for part in read(name)]).astype(str)

    found = {"reason": images.read_json(Path(folder) / "source.json")["reason"], "maps": (), "head": None}
    if not files:
        return found | {"labels": np.zeros(0, int), "patients": np.zeros(0, str)}
    with np.load(next(iter(files.values()))) as packed:
        names = list(packed)
    if "probabilities" in names:
        found["head"] = join("probabilities"), join("slice_labels"), owners("slice_labels")
    maps = (join(name) for name in names if name.startswith("map"))
    return found | {"labels": join("labels"), "patients": owners("labels"), "maps": maps}


def audit_scores(scored, compared, primary):
    """Hold each score against the gain that the frozen strategy really had over scratch, over sources.

    The gain is the mean over patients of the paired difference in whole-tumour Dice, with all training patients (n =
    all), in the primary space and split.

    Parameters
    ----------
    scored : list of dict
        Rows of `transfer_scores.tsv`.
    compared : list of dict
        Rows of `comparison.tsv`.
    primary : dict of str to str
        `space` and `split`.

    Returns
    -------
    list of dict
        As of `transferability.audit`.
    """
    wanted = PRIMARY | primary | {"strategy": "frozen", "against": "scratch", "n": "all"}
    own = [row for row in compared if all(str(row[key]) == value for key, value in wanted.items())]
    gains = {row["source"]: number(row["mean_difference"]) for row in own}
    scores = {name: {} for name in transferability.SCORES}
    for row in scored:
        if row["space"] == primary["space"]:
            scores[row["score"]][row["source"]] = number(row["value"]) * (-1 if row["better"] == "lower" else 1)
    return transferability.audit(scores, gains)


def number(value):
    """Give a number of a table; an empty field is not a number."""
    return np.nan if value in ("", "n/a", None) else float(value)


def _unscored(space, source, reason):
    """Rows of a source without any score."""
    empty = {"value": np.nan, "patients": 0, "left_out": 0, "reason": reason}
    common = {"space": space, "source": source}
    return [common | {"score": name, "better": row["better"]} | empty for name, row in transferability.SCORES.items()]


# the columns of `transfer_scores.tsv` and of `audit.tsv`
SCORED = ("space", "source", "score", "value", "better", "patients", "left_out", "reason")
AUDIT = ("score", "sources", "tau", "low", "high", "verdict", "reason")
