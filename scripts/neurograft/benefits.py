"""Labels and time that transfer saved, and what it lost at another site, over the arms of an experiment.

An arm (`evaluation.ARM`) is held against the scratch that `controls.control_sources` chooses, as in `comparison`. The
score is the whole tumour's Dice, or a classifier's accuracy, the one measure that every patient has, whatever the unit.
Seeds and time points are averaged inside a patient first.
"""

import numpy as np
import pandas as pd

from . import curves
from .controls import control_sources
from .evaluation import ARM, CELL, SCORES

MEASURES = {"segmentation": ("WT", "dice"), "classification": ("", "accuracy")}


def score_patients(scores, patients):
    """Give a row for each score that `MEASURES` names: `CELL` as text, `patient`, `value`.

    Parameters
    ----------
    scores : list of dict
        Rows of `scores.tsv`; those without a subject are passed over.
    patients : dict of str to str
        Subject to patient.

    Returns
    -------
    pandas.DataFrame
    """
    wanted = [
        row
        for row in scores
        if str(row["subject"]) and (row["region"] or "", row["metric"]) == MEASURES.get(row["task"])
    ]
    frame = pd.DataFrame(wanted, columns=SCORES).astype(dict.fromkeys(CELL, str))
    frame["patient"] = [patients.get(subject, subject) for subject in frame["subject"]]
    frame["value"] = pd.to_numeric(frame["value"], errors="coerce")
    return frame.dropna(subset="value")


def save_labels(means, sizes, kin=None):
    """Say how many labelled patients each arm saves against scratch (`curves.labels_saved`).

    Takes arms measured with two numbers of patients or more. `all` counts as the largest number of training patients
    of its folds, which differ by one where they are stratified.

    Parameters
    ----------
    means : pandas.DataFrame
        From `score_patients`.
    sizes : dict of tuple to list of int
        (task, space, split, n) to the training patients of its cells.
    kin : dict of str to tuple, optional
        As in `controls.control_sources`.

    Returns
    -------
    list of dict
    """
    rows = []
    for (task, space, split), group in means.groupby(["task", "space", "split"], sort=False):
        known = {n: max(sizes[task, space, split, n]) for n in dict.fromkeys(group["n"])}
        group = group.assign(size=group["n"].map(known))
        wide = group.pivot_table(index="patient", columns=["strategy", "source", "size"], values="value", sort=False)
        folds = group.drop_duplicates("patient").set_index("patient")["fold"].reindex(wide.index).to_numpy(str)
        for strategy, source in _columns(wide):
            own, control = wide[strategy][source], _control(wide, source, kin)
            shared = sorted(set(own) & set(control))
            for n in [n for n in known if known[n] in shared and len(shared) > 1 and strategy != "scratch"]:
                found = curves.labels_saved(own[shared], control[shared], shared, known[n], folds)
                rows.append(found | dict(zip(ARM, (task, source, strategy, space, split, n), strict=True)))
    return rows


def save_time(cells, kin=None):
    """Compare each segmentation cell with scratch's of the same fold, size and seed (`curves.time_saved`).

    Of several sources' scratch the mean is taken (NaN if one has no answer).

    Parameters
    ----------
    cells : list of dict
        Manifests with `history` and `seconds`.
    kin : dict of str to tuple, optional
        As in `controls.control_sources`.

    Returns
    -------
    list of dict
    """

    def run(cell):
        return cell, cell["history"], cell["seconds"]

    segmenting = [cell for cell in cells if cell["task"] == "segmentation"]
    together = [name for name in CELL if name not in ("source", "strategy")]
    controls = {}
    for cell in segmenting:
        if cell["strategy"] == "scratch":
            controls.setdefault(tuple(str(cell[name]) for name in together), {})[cell["source"]] = cell
    rows = []
    for cell in segmenting:
        known = controls.get(tuple(str(cell[name]) for name in together), {})
        against = [known[name] for name in control_sources(cell["source"], list(known), kin)]
        if cell["strategy"] == "scratch" or not against:
            continue
        found = [curves.time_saved(run(control), run(cell)) for control in against]
        numbers = [name for name in found[0] if name not in CELL]
        rows.append(found[0] | {name: float(np.mean([one[name] for one in found])) for name in numbers})
    return rows


def lose_elsewhere(means, sizes, sites, kin=None):
    """Tabulate what each arm loses at an unseen site, and how much less that is than what scratch loses.

    Stratified folds against sites left out, of the same patients, with as many training patients
    (`curves.generalisation_drop`); refused where `all` means other numbers of them in the two.

    Parameters
    ----------
    means, sizes
        As in `save_labels`.
    sites : dict of str to str
        Patient to site.
    kin : dict of str to tuple, optional
        As in `controls.control_sources`.

    Returns
    -------
    list of dict
    """
    rows = []
    means = means[means["split"].isin(["folds", "sites"])]
    for (task, space, n), group in means.groupby(["task", "space", "n"], sort=False):
        numbers = [number for split in ("folds", "sites") for number in sizes.get((task, space, split, n), ())]
        wide = group.pivot_table(index="patient", columns=["strategy", "source", "split"], values="value", sort=False)
        for strategy, source in _columns(wide):
            own, control = wide[strategy][source], _control(wide, source, kin)
            if set(own) != {"folds", "sites"}:
                continue
            paired = own[[bool(sites.get(patient)) for patient in own.index]].dropna()
            row = {"task": task, "source": source, "strategy": strategy, "space": space, "n": n}
            row |= {"in_site": paired["folds"].mean(), "cross_site": paired["sites"].mean()}
            row |= _drop(own["folds"], own["sites"], sites, numbers)
            if strategy != "scratch" and set(control) == set(own):
                less = _drop(control["folds"] - control["sites"], own["folds"] - own["sites"], sites, numbers)
                row |= {"less": less["mean"], "less_low": less["low"], "less_high": less["high"]}
            rows.append(row)
    return rows


def _drop(in_site, cross_site, sites, numbers):
    """Lay patients' two sides against each other, unless their networks had unlike numbers of training patients."""
    found = curves.generalisation_drop(in_site.to_dict(), cross_site.to_dict(), sites)
    if max(numbers) - min(numbers) > 1:
        nothing = dict.fromkeys(("mean", "low", "high"), np.nan)
        reason = f"{min(numbers)} to {max(numbers)} training patients: name a number that folds and sites both have"
        return found | nothing | {"reason": reason}
    return found


def _columns(wide):
    """The (strategy, source) of a table's columns, in their order."""
    return list(dict.fromkeys((strategy, source) for strategy, source, _ in wide.columns))


def _control(wide, source, kin):
    """The columns of the scratch that a source is held against, averaged where these are several; none without one."""
    known = wide["scratch"] if "scratch" in wide.columns.get_level_values(0) else pd.DataFrame(index=wide.index)
    having = list(dict.fromkeys(known.columns.get_level_values(0))) if len(known.columns) else []
    names = control_sources(source, having, kin)
    if not names:
        return pd.DataFrame(index=wide.index)
    return known[names[0]] if len(names) == 1 else known[names].T.groupby(level=1).mean().T
