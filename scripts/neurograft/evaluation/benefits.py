"""What transfer buys besides accuracy: labels, time, less overfitting, less loss at another site."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from neurograft.core.cells import ARM, CELL, control_sources
from neurograft.evaluation.metrics import keep_in_range
from neurograft.evaluation.scores import SCORES, reach_times
from neurograft.stats import comparisons

FEWEST_PATIENTS = 6
FEWEST_SITES = 3
RESAMPLES = 1000
WINDOW = 5
WIDE_GAP = 0.1


def labels_saved(transferred, scratch, sizes, n, folds=None, better="higher", seed=0):
    """Say how many labelled patients scratch needs for what the transferred network reaches with n.

    Both mean curves are fitted by isotonic regression (more labels are never worse on average); scratch's is
    read off linearly in log n. The interval is a percentile bootstrap of whole patients, its deviations widened
    by `t sqrt(n/(n-1)) / 1.96`, without which it covers 86 to 94 % at 10 patients. Patients of one fold share
    trained networks, so whole folds are resampled as well, and the wider end counts (80 to 85 % without).

    Parameters
    ----------
    transferred, scratch : array_like, shape (patients, sizes)
        Score of each patient at each size; a patient with a NaN is left out.
    sizes : sequence of float
        Numbers of labelled training patients, rising.
    n : float
        One of `sizes`.
    folds : array_like, shape (patients,), optional
        The fold that each patient was tested in.
    better : {"higher", "lower"}
        Which direction of the score is good.
    seed : int

    Returns
    -------
    dict
        `n`, `patients`, `needed` with `low` and `high` (95 %), and `saved`, which is needed - n. Infinite:
        scratch does not reach it with the largest size. Minus infinite: it does with the smallest already.
        `answer` and `interval` say the same in words; `reason` why there is no interval (NaN), or nothing.

    Raises
    ------
    ValueError
        If the shapes do not fit, the sizes do not rise, or n is not one of them.
    """
    sizes = np.asarray(sizes, float)
    curves = _paired_curves(transferred, scratch, sizes, n) * (1 if better == "higher" else -1)
    kept = np.isfinite(curves).all(axis=(1, 2))
    curves, at = curves[kept], int(np.flatnonzero(sizes == n)[0])
    groups = None if folds is None else np.unique(np.asarray(folds)[kept], return_inverse=True)[1]
    place = _needed(curves.mean(axis=0)[None], np.log(sizes), at)[0] if len(curves) else np.nan
    ends, reason = _bootstrap(curves, groups, np.log(sizes), at, seed)
    # minus infinity is an answer of its own, not the log of 0 patients
    needed, low, high = (float(np.exp(one)) if one != -np.inf else -np.inf for one in (place, *ends))
    interval = "" if reason else f"{describe_number(low)} to {describe_number(high)}"
    return {
        "n": n, "patients": len(curves), "needed": needed, "low": low, "high": high,
        "saved": needed - n, "answer": describe_number(needed), "interval": interval, "reason": reason,
    }  # fmt: skip


def _paired_curves(transferred, scratch, sizes, n):
    """Both strategies' scores, shape (patients, 2, sizes), checked."""
    curves = np.stack([np.asarray(transferred, float), np.asarray(scratch, float)], axis=1)
    if curves.ndim != 3 or curves.shape[2] != len(sizes) or sizes[0] <= 0 or (np.diff(sizes) <= 0).any():
        raise ValueError(f"scores {curves.shape} need one column for each of the rising sizes {sizes.tolist()}")
    if n not in sizes:
        raise ValueError(f"nothing was measured with {n} patients; sizes are {sizes.tolist()}")
    return curves


def describe_number(needed):
    """Put a number of patients in words: "not reached" above, "beyond the range" below what was measured."""
    if np.isnan(needed):
        return ""
    if np.isinf(needed):
        return "not reached" if needed > 0 else "beyond the range"
    return f"{needed:.3g}"


def isotonic(curves):
    """Fit rising curves by least squares, by the max-min formula (Robertson et al. 1988), many at once.

    Parameters
    ----------
    curves : ndarray, shape (curves, sizes)

    Returns
    -------
    ndarray, shape (curves, sizes)
    """
    sums = np.pad(np.cumsum(curves, axis=1), ((0, 0), (1, 0)))
    count = curves.shape[1]
    fitted = np.full(curves.shape, -np.inf)
    for here in range(count):
        for start in range(here + 1):
            means = [(sums[:, end] - sums[:, start]) / (end - start) for end in range(here + 1, count + 1)]
            fitted[:, here] = np.maximum(fitted[:, here], np.min(means, axis=0))
    return fitted


def _needed(curves, places, at):
    """Place (log of the size) where scratch reaches the transferred curve's value at one size.

    `curves` has shape (draws, 2, sizes), transferred first. Infinite as in `labels_saved`.
    """
    target, scratch = isotonic(curves[:, 0])[:, at], isotonic(curves[:, 1])
    reached = scratch >= target[:, None]
    first = reached.argmax(axis=1)
    found = np.where(reached.any(axis=1), -np.inf, np.inf)
    between = np.flatnonzero(reached.any(axis=1) & (first > 0))
    after, before = scratch[between, first[between]], scratch[between, first[between] - 1]
    share = (target[between] - before) / (after - before)
    left, right = places[first[between] - 1], places[first[between]]
    found[between] = left + share * (right - left)
    return found


def _bootstrap(curves, groups, places, at, seed):
    """Ends of the interval on the log scale, and why there are none."""
    if len(curves) < FEWEST_PATIENTS:
        return (np.nan, np.nan), f"{len(curves)} patients; an interval takes at least {FEWEST_PATIENTS}"
    kinds = [np.arange(len(curves))]
    if groups is not None:
        if groups.max() + 1 < comparisons.FEWEST_FOLDS:
            return (np.nan, np.nan), f"{groups.max() + 1} folds; an interval takes at least {comparisons.FEWEST_FOLDS}"
        kinds.append(groups)
    generator = np.random.default_rng(seed)
    means = curves.mean(axis=0)
    ends = []
    for clusters in kinds:
        count = int(clusters.max()) + 1
        weights = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES)[:, clusters].astype(float)
        weights /= weights.sum(axis=1, keepdims=True)
        tail = (1 + comparisons.LEVEL) / 2
        wider = np.sqrt(count / (count - 1)) * stdtrit(count - 1, tail) / stdtrit(np.inf, tail)
        drawn = means + wider * (np.tensordot(weights, curves, 1) - means)
        values = np.sort(_needed(drawn, places, at))
        rank = int(np.floor((1 - tail) * RESAMPLES))
        ends.append((values[rank], values[-1 - rank]))
    return (min(low for low, _ in ends), max(high for _, high in ends)), ""


def time_saved(scratch, transferred, window=WINDOW):
    """Compare how soon two trainings of one fold, size and seed reach scratch's final training Dice.

    Final is the mean of scratch's last `window` values; reached, for both, is where such a mean first gets there, so
    scratch is not charged for steps after it had arrived. Training Dice, since no patient is held back to watch.

    Parameters
    ----------
    scratch, transferred : tuple
        `cell`, `history` and `seconds` of each, as `scores.reach_times` takes them.
    window : int

    Returns
    -------
    dict
        `CELL` of the transferred one, `dice`, `steps_scratch`, `steps`, `steps_saved`, and the same in seconds; NaN
        where it was not reached. Negative: the transferred one was later.
    """
    values = [float(row.get("train_dice") or np.nan) for row in scratch[1]]
    final = float(np.mean(values[-window:])) if len(values) >= window else np.nan
    # a hair less: two ways to a mean differ in rounding
    first, second = (reach_times(*run, dice=final - 1e-9, window=window) for run in (scratch, transferred))
    row = {name: transferred[0][name] for name in CELL} | {"dice": final}
    for unit in ("steps", "seconds"):
        control, own = first[f"{unit}_to_dice"], second[f"{unit}_to_dice"]
        row |= {f"{unit}_scratch": control, unit: own, f"{unit}_saved": control - own}
    return row


def train_test_gaps(cells):
    """Tabulate each cell's gap between its training and its test patients, and warn where it is wide.

    Both sides are one measure, of the finished network on the same kind of fixed inputs (`records`). A warning: the
    gap is above `WIDE_GAP` and above two standard errors of the difference of the two means.

    Parameters
    ----------
    cells : list of dict
        `CELL`, and `fit`: the rows of `fit.tsv`.

    Returns
    -------
    list of dict
        A row for each cell with both sides: `CELL`, `train` and `test` (means over patients, of Dice or accuracy),
        `patients` (tested), `gap`, `warning` (bool), `reason`: the warning in words, or nothing.
    """
    rows = []
    for cell in cells:
        measure = "dice" if cell["task"] == "segmentation" else "accuracy"
        train, test = (
            np.array([float(row[measure]) for row in cell["fit"] if row["role"] == role]) for role in ("train", "test")
        )
        if not len(train) or not len(test):
            continue
        gap = float(train.mean() - test.mean())
        # one patient shows no spread, so no gap can stand out
        fewest = min(len(train), len(test))
        error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in (train, test))) if fewest > 1 else np.inf
        warning = bool(gap > WIDE_GAP and gap > 2 * error)
        reason = (
            f"overfitted: {cell['strategy']} from {cell['source']}, n = {cell['n']}, {cell['task']} in "
            f"{cell['space']}, {cell['split']} {cell['fold']}, seed {cell['seed']}: {measure} {train.mean():.2f} on "
            f"its {len(train)} training patients, {test.mean():.2f} on {len(test)} test patients"
        )
        rows.append(
            {name: cell[name] for name in CELL}
            | {"train": float(train.mean()), "test": float(test.mean()), "patients": len(test), "gap": gap}
            | {"warning": warning, "reason": reason if warning else ""}
        )
    return rows


def generalisation_drop(in_site, cross_site, sites):
    """Give what is lost at an unseen site: in-site less cross-site score, paired over patients.

    Parameters
    ----------
    in_site, cross_site : dict of str to float
        Patient to score (seeds averaged), in stratified folds and leaving one site out, with the same n.
    sites : dict of str to str
        Patient to site.

    Returns
    -------
    dict
        `comparisons.paired_comparison` over the patients that have both, sites as clusters, without p and
        `detectable`; `sites`, and `reason`: why it is refused (then `low` and `high` are NaN), or nothing.
    """
    patients = [name for name in in_site if name in cross_site and sites.get(name)]
    difference = np.array([in_site[name] - cross_site[name] for name in patients])
    patients = [name for name, value in zip(patients, difference) if np.isfinite(value)]
    difference = difference[np.isfinite(difference)]
    owner = [str(sites[name]) for name in patients]
    made = comparisons.paired_comparison(difference, owner)
    row = {"mean": made["mean"], "low": made["low"], "high": made["high"], "patients": len(patients)}
    row |= {"sites": made["folds"], "reason": ""}
    if len(patients) < FEWEST_PATIENTS or made["folds"] < FEWEST_SITES:
        reason = f"{len(patients)} patients of {made['folds']} sites; at least {FEWEST_PATIENTS} of {FEWEST_SITES}"
        row |= {"mean": np.nan, "low": np.nan, "high": np.nan, "reason": reason}
    return row


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
    """Say how many labelled patients each arm saves against scratch (`benefits.labels_saved`).

    Takes arms measured with two numbers of patients or more. `all` counts as the largest number of training patients
    of its folds, which differ by one where they are stratified.

    Parameters
    ----------
    means : pandas.DataFrame
        From `score_patients`.
    sizes : dict of tuple to list of int
        (task, space, split, n) to the training patients of its cells.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

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
                found = labels_saved(own[shared], control[shared], shared, known[n], folds)
                rows.append(found | dict(zip(ARM, (task, source, strategy, space, split, n), strict=True)))
    return rows


def save_time(cells, kin=None):
    """Compare each segmentation cell with scratch's of the same fold, size and seed (`benefits.time_saved`).

    Of several sources' scratch the mean is taken (NaN if one has no answer).

    Parameters
    ----------
    cells : list of dict
        Manifests with `history` and `seconds`.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

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
        found = [time_saved(run(control), run(cell)) for control in against]
        numbers = [name for name in found[0] if name not in CELL]
        rows.append(found[0] | {name: float(np.mean([one[name] for one in found])) for name in numbers})
    return rows


def lose_elsewhere(means, sizes, sites, kin=None):
    """Tabulate what each arm loses at an unseen site, and how much less that is than what scratch loses.

    Stratified folds against sites left out, of the same patients, with as many training patients
    (`benefits.generalisation_drop`); refused where `all` means other numbers of them in the two.

    Parameters
    ----------
    means, sizes
        As in `save_labels`.
    sites : dict of str to str
        Patient to site.
    kin : dict of str to tuple, optional
        As in `cells.control_sources`.

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
            drop = _drop(own["folds"], own["sites"], sites, numbers)
            row |= keep_in_range(drop, MEASURES[task][1], difference=True)
            if strategy != "scratch" and set(control) == set(own):
                less = _drop(control["folds"] - control["sites"], own["folds"] - own["sites"], sites, numbers)
                row |= {"less": less["mean"], "less_low": less["low"], "less_high": less["high"]}
            rows.append(row)
    return rows


def _drop(in_site, cross_site, sites, numbers):
    """Lay patients' two sides against each other, unless their networks had unlike numbers of training patients."""
    found = generalisation_drop(in_site.to_dict(), cross_site.to_dict(), sites)
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
