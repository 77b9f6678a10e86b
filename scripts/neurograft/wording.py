"""What the report says in plain words: the verdict, the comparisons, the claims, how to read quality."""

from neurograft import summaries
from neurograft.settings import CONTROLS, TRANSDUCTIVE, base_strategy
from neurograft.summaries import number

MARKS = {"helps": "▲", "hurts": "▼", "no evidence": "●", "refused": "■", "not converged": "◇", "nothing": "○"}
MEASURES = {
    "dice": "Dice", "hd95": "HD95", "volume-error": "volume error",
    "balanced-accuracy": "balanced accuracy", "accuracy": "accuracy", "auc": "AUC", "brier": "Brier score",
    "sensitivity": "sensitivity", "specificity": "specificity",
}  # fmt: skip
REGIONS = {"WT": "whole-tumour", "TC": "tumour-core", "ET": "enhancing-tumour", "": ""}


def interval(row, digits=3, unit=""):
    """Write a mean difference with its interval."""
    mean, low, high = (number(row.get(key)) for key in ("mean_difference", "low", "high"))
    if mean is None:
        return "no estimate"
    words = f"{mean:+.{digits}f}{unit}"
    words += "" if low is None else f" (95 % interval {low:+.{digits}f} to {high:+.{digits}f})"
    return words.replace("-", "\N{MINUS SIGN}")


def arm(row):
    """Name a strategy and its source, and say of one that adapts to target images that it does."""
    if row["strategy"] in CONTROLS or not row["source"]:
        return row["strategy"]
    return f"{row['strategy']} from {row['source']}" + " (transductive)" * (
        base_strategy(row["strategy"]) in TRANSDUCTIVE
    )


def comparison_sentence(row, comparison):
    """Say in one or two sentences what a comparison with a verdict found."""
    region = REGIONS.get(row["region"], row["region"])
    patients, mean, detectable = row["patients"], number(row["mean_difference"]), number(row["detectable"])
    change = f"{region} Dice changed by {interval(row)} against training from scratch, on {patients} patients"
    if row["verdict"] == "refused":
        why = row["reason"][:1].upper() + row["reason"][1:]
        return f"{arm(row)}: no verdict can be given. {why}. What was seen: {change}."
    if row["verdict"] == "not converged":
        return f"{arm(row)}: no verdict, because {row['reason']}. What was seen so far: {change}."
    words = {
        "helps": f"{arm(row)} helps: {change}.",
        "hurts": f"{arm(row)} hurts: {change}.",
        "no evidence": f"{arm(row)}: no evidence of a difference. {change[0].upper()}{change[1:]}.",
    }[row["verdict"]]
    if row["verdict"] == "no evidence" and detectable is not None:
        words += f" So few patients would reliably show only a difference of {detectable:.3f} or more"
        words += ", so a smaller help or harm remains possible." if mean is not None else "."
    return words + _against_random(row, comparison)


def _against_random(row, comparison):
    """Say whether the control with random features explains the result."""
    other = summaries.control_row(comparison, row)
    low = number(other["low"]) if other else None
    if low is None:
        return ""
    if low > 0 and row["verdict"] == "helps":
        return f" It also beats a frozen random encoder, by {interval(other)}: the pretraining itself matters."
    if low > 0:
        return (
            f" Against a frozen random encoder the difference is {interval(other)}: better than random features, "
            "which is no help over training from scratch."
        )
    return (
        f" Against a frozen random encoder the difference is {interval(other)}, so it is not shown that the "
        "pretraining, rather than any fixed features, is what counts."
    )


def headline(comparison, splits, scores, cells, simulated):
    """Answer the report's question first.

    Returns
    -------
    dict
        `kind` (a key of `MARKS`), `mark`, `title` and `sentences`.
    """
    caution = (
        ["All patients here are simulated: this shows that the workflow runs, and says nothing about real patients."]
        if simulated
        else []
    )
    reasons = {task["reason"] for task in splits.get("tasks", {}).values() if not summaries.yes(task.get("trainable"))}
    trained = [cell for cell in cells if cell.get("trained", True)]
    if not trained and not scores:
        why = "; ".join(sorted(reason for reason in reasons if reason)) or "no network was asked for"
        note = "Preprocessing, quality control and tumour candidates below are complete all the same."
        return _headline("nothing", f"No network was trained: {why.rstrip('.')}.", [note, *caution])
    rows = summaries.primary_rows(comparison)
    if not rows:
        why = "No strategy other than the controls was scored against training from scratch on the same patients."
        return _headline("nothing", "There is nothing to compare yet.", [why, *caution])
    verdicts = [row["verdict"] for row in rows]
    sentences = [comparison_sentence(row, comparison) for row in rows]
    titles = {
        "helps": "Transfer helps here.",
        "hurts": "Transfer hurts here.",
        "no evidence": "No evidence that transfer helps or hurts here.",
        "refused": "Too few patients or folds for a verdict.",
        "not converged": "No verdict: training had not finished.",
    }
    kind = next(kind for kind in titles if kind in verdicts)
    title = titles[kind]
    if "helps" in verdicts and "hurts" in verdicts:
        names = {kind: ", ".join(arm(row) for row in rows if row["verdict"] == kind) for kind in ("helps", "hurts")}
        title = f"It depends on the strategy: {names['helps']} helps, {names['hurts']} hurts."
    elif kind in ("helps", "hurts") and verdicts.count(kind) < len(verdicts):
        title = f"Transfer {kind} here, with {verdicts.count(kind)} of {len(verdicts)} strategies."
    return _headline(kind, title, [*sentences, *caution])


def _headline(kind, title, sentences):
    return {"kind": kind, "mark": MARKS[kind], "title": title, "sentences": sentences}


def list_claims(comparison, scores, times, cells, runtimes):
    """Give the eleven claims about transfer learning: how each is measured, what was found here.

    Returns
    -------
    list of dict
        `claim`, `side` (promise or risk), `how`, `found` and `state`: "measured", "in part" or
        "not measured".
    """
    rows = [row for row in summaries.primary_rows(comparison) if number(row["mean_difference"]) is not None]
    sizes = {str(row["n"]) for row in scores}
    found = {
        "Less training time": _times_found(times),
        "Better performance": "; ".join(f"{arm(row)} {interval(row)}: {row['verdict']}" for row in rows),
        "Faster deployment": _deployment_found(runtimes, times),
        "Limited transferability": _patients_hurt(rows, scores),
        "Overfitting": _gaps_found(scores, cells),
    }
    notes = {"Inflexibility": _loaded_found(cells)}
    if len(sizes) > 1:
        notes["Fewer labels"] = f"The results hold {len(sizes)} training sizes, but the labels saved are not computed."
    listed = []
    for claim, side, state, how in CLAIMS:
        words = found.get(claim) or ("This version does not measure it. " + notes.get(claim, "")).strip()
        if state != "not measured" and not found[claim]:
            state, words = "not measured", "This run has no numbers for it."
        listed.append({"claim": claim, "side": side, "how": how, "found": words, "state": state})
    return listed


# claim, side, how far this version measures it, how it is (or would be) measured
CLAIMS = (
    (
        "Less training time", "promise", "in part",
        "Steps and seconds until the training Dice reaches a set value, median over cells, against scratch.",
    ),
    (
        "Better performance", "promise", "measured",
        "Whole-tumour Dice of unseen patients against training from scratch, paired over patients, with interval and "
        "adjusted verdict.",
    ),
    (
        "Fewer labels", "promise", "not measured",
        "The number of labelled patients at which a strategy reaches the score of scratch with all of them.",
    ),
    (
        "Better generalisation", "promise", "not measured",
        "The loss of score from seen sites to sites left out of training.",
    ),
    (
        "Better use of data", "promise", "not measured",
        "The gain from pretraining on the cohort's own unlabelled scans.",
    ),
    (
        "Faster deployment", "promise", "in part",
        "Computing time from raw scans to a trained network; a user's own hours are not counted.",
    ),
    (
        "Limited transferability", "risk", "measured",
        "How many patients score lower than with scratch. The forest plot adds whether the pretrained encoder beats a "
        "random one.",
    ),
    (
        "Inflexibility", "risk", "not measured",
        "Which inputs and networks a source cannot serve, and what forcing it costs.",
    ),
    (
        "Expertise needed", "risk", "not measured",
        "The spread of scores over choices that a user has to make (learning rates, layers), fixed in advance here.",
    ),
    (
        "Overfitting", "risk", "in part",
        "Training Dice on slices less Dice of unseen patients. The two are different kinds of Dice: only differences "
        "between strategies mean something.",
    ),
    (
        "Ethics: bias and privacy", "risk", "not measured",
        "Gaps between groups of patients against a permutation null, and membership inference.",
    ),
)  # fmt: skip


def _name(key):
    """Name an arm given as (task, source, strategy, n)."""
    return f"{arm({'source': key[1], 'strategy': key[2]})} (n = {key[3]})"


def _largest(table):
    """Keep the segmentation arms with the largest n."""
    mine = {key: value for key, value in table.items() if key[0] == "segmentation"}
    most = max((summaries.size(key[3]) for key in mine), default=0)
    return {key: value for key, value in mine.items() if summaries.size(key[3]) == most}


def _times_found(times):
    """Say how soon each strategy reached the set Dice."""
    table = _largest(summaries.time_summary(times))
    parts = []
    for key, row in table.items():
        words = f"{_name(key)}: not reached in {row['steps'] or 0:.0f} steps"
        if row["steps_to_dice"] is not None:
            seconds = f", {row['seconds_to_dice']:.0f} s" if row["seconds_to_dice"] is not None else ""
            words = (
                f"{_name(key)}: {row['steps_to_dice']:.0f} steps{seconds} ({row['reached']} of {row['cells']} cells)"
            )
        parts.append(words)
    dice = next((row["dice"] for row in table.values() if row["dice"] is not None), None)
    return (f"Training Dice {dice:g}. " if dice is not None else "") + "; ".join(parts) if parts else ""


def _deployment_found(runtimes, times):
    """Say what the run cost in computing time."""
    medians = [number(row.get("seconds_median")) for row in runtimes if row.get("rule") in PREPROCESSING]
    medians = [value for value in medians if value is not None]
    cells = [row["seconds"] for row in _largest(summaries.time_summary(times)).values() if row["seconds"] is not None]
    parts = [f"preparing one subject {sum(medians):.0f} s"] if medians else []
    parts += [f"training one network {min(cells):.0f} to {max(cells):.0f} s"] if cells else []
    return (", ".join(parts) + " (medians).").capitalize() if parts else ""


PREPROCESSING = (
    *("import_scans", "strip_skull", "register_scans", "normalize_intensity"),
    *("propose_candidates", "deliver_segmentation", "draw_subject"),
)


def _patients_hurt(rows, scores):
    """Count the patients that each strategy leaves worse than scratch."""
    parts = []
    for row in rows:
        means = summaries.patient_means(scores, row["task"], row["region"], row["metric"])
        own = means.get((row["task"], str(row["source"]), row["strategy"], str(row["n"])), {})
        base = next((value for key, value in means.items() if key[2:] == ("scratch", str(row["n"]))), {})
        both = [subject for subject in own if subject in base]
        worse = sum(own[subject] < base[subject] for subject in both)
        if both:
            parts.append(f"{arm(row)}: {worse} of {len(both)} patients score lower than with scratch")
    return "; ".join(parts)


def _gaps_found(scores, cells):
    """Give the gap between training and test Dice by strategy."""
    trained = _largest(summaries.final_train_dice(cells))
    tested = summaries.patient_means(scores, "segmentation", "WT", "dice")
    parts = [
        f"{_name(key)} {value - summaries.mean_interval(tested[key].values())['mean']:+.3f}"
        for key, value in trained.items()
        if tested.get(key)
    ]
    return "; ".join(parts)


def _loaded_found(cells):
    """Say which share of the source's weights was taken over."""
    shares = {number(cell.get("loaded_share")) for cell in cells} - {None}
    return f"Known so far: {min(shares):.0%} of the source's encoder weights fitted." if shares else ""
