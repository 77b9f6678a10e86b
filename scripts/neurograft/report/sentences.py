"""What the report says in plain words: the verdict, the comparisons, numbers with their intervals."""

from neurograft.core import tables
from neurograft.core.strategies import CONTROLS, ENSEMBLE, METHODS, TRANSDUCTIVE, base_strategy
from neurograft.report import summaries

MARKS = {"helps": "▲", "hurts": "▼", "no evidence": "●", "refused": "■", "not converged": "◇", "nothing": "○"}
MEASURES = {
    "dice": "Dice", "hd95": "HD95", "volume-error": "volume error",
    "balanced-accuracy": "balanced accuracy", "accuracy": "accuracy", "auc": "AUC", "brier": "Brier score",
    "sensitivity": "sensitivity", "specificity": "specificity",
}  # fmt: skip
REGIONS = {"WT": "whole-tumour", "TC": "tumour-core", "ET": "enhancing-tumour", "": ""}


def write_interval(row, digits=3, unit=""):
    """Write a mean difference with its interval."""
    mean, low, high = (tables.parse_number(row.get(key)) for key in ("mean_difference", "low", "high"))
    if mean is None:
        return "no estimate"
    words = f"{mean:+.{digits}f}{unit}"
    words += "" if low is None else f" (95 % interval {low:+.{digits}f} to {high:+.{digits}f})"
    return words.replace("-", "\N{MINUS SIGN}")


def write_signed(value, digits=3):
    """Write a difference with its sign, or a dash where there is none."""
    read = tables.parse_number(value)
    return "–" if read is None else f"{read:+.{digits}f}".replace("-", "\N{MINUS SIGN}")


def write_bounds(row, low="low", high="high", digits=3):
    """Write the two ends of a row's interval of a difference, or a dash where it has none."""
    if tables.parse_number(row.get(low)) is None or tables.parse_number(row.get(high)) is None:
        return "–"
    return f"{write_signed(row[low], digits)} to {write_signed(row[high], digits)}"


def name_arm(row):
    """Name a strategy and its source, and say of one that adapts to target images that it does."""
    if row["strategy"] in CONTROLS:
        # a control has the network of a source, and none of its weights
        return row["strategy"] + f" ({row['source']})" * (str(row["source"]) not in ("", "none"))
    if not row["source"] or METHODS.get(row["strategy"]) == "none":
        return row["strategy"]
    if METHODS.get(row["strategy"]) == "random encoder" or row["strategy"] == ENSEMBLE:
        return f"{row['strategy']} ({row['source']})"
    return f"{row['strategy']} from {row['source']}" + " (transductive)" * (
        base_strategy(row["strategy"]) in TRANSDUCTIVE
    )


def comparison_sentence(row, comparison):
    """Say in one or two sentences what a comparison with a verdict found."""
    region = REGIONS.get(row["region"], row["region"])
    patients, mean, detectable = (
        row["patients"],
        tables.parse_number(row["mean_difference"]),
        tables.parse_number(row["detectable"]),
    )
    change = f"{region} Dice changed by {write_interval(row)} against training from scratch, on {patients} patients"
    if row["verdict"] == "refused":
        why = row["reason"][:1].upper() + row["reason"][1:]
        return f"{name_arm(row)}: no verdict can be given. {why}. What was seen: {change}."
    if row["verdict"] == "not converged":
        return f"{name_arm(row)}: no verdict, because {row['reason']}. What was seen so far: {change}."
    words = {
        "helps": f"{name_arm(row)} helps: {change}.",
        "hurts": f"{name_arm(row)} hurts: {change}.",
        "no evidence": f"{name_arm(row)}: no evidence of a difference. {change[0].upper()}{change[1:]}.",
    }[row["verdict"]]
    if row["verdict"] == "no evidence" and detectable is not None:
        if detectable < 1:
            words += f" So few patients would reliably show only a difference of {detectable:.3f} or more"
            words += ", so a smaller help or harm remains possible." if mean is not None else "."
        else:  # no two Dice are as far apart
            words += " So few patients would reliably show no difference of any size: help or harm remains possible."
    return words + _against_random(row, comparison)


def again_sentence(row):
    """Say what the comparison of scratch with itself, trained again with other seeds, found."""
    words = f"Scratch of {row['source']} trained again with another seed, against itself (A/A): {row['verdict']}, "
    words += f"{write_interval(row)} on {row['patients']} patients."
    return words + (" This is a false verdict: trust no other here." if row["verdict"] in ("helps", "hurts") else "")


def _against_random(row, comparison):
    """Say whether the control with random features explains the result."""
    other = summaries.control_row(comparison, row)
    low = tables.parse_number(other["low"]) if other else None
    if low is None:
        return ""
    if low > 0 and row["verdict"] == "helps":
        return f" It also beats a frozen random encoder, by {write_interval(other)}: the pretraining itself matters."
    if low > 0:
        return (
            f" Against a frozen random encoder the difference is {write_interval(other)}: better than random features, "
            "which is no help over training from scratch."
        )
    return (
        f" Against a frozen random encoder the difference is {write_interval(other)}, so it is not shown that the "
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
    reasons = {
        task["reason"] for task in splits.get("tasks", {}).values() if not tables.parse_boolean(task.get("trainable"))
    }
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
        names = {
            kind: ", ".join(name_arm(row) for row in rows if row["verdict"] == kind) for kind in ("helps", "hurts")
        }
        title = f"It depends on the strategy: {names['helps']} helps, {names['hurts']} hurts."
    elif kind in ("helps", "hurts") and verdicts.count(kind) < len(verdicts):
        title = f"Transfer {kind} here, with {verdicts.count(kind)} of {len(verdicts)} strategies."
    elif kind == "no evidence" and verdicts.count(kind) < len(verdicts):
        judged = f"from the {verdicts.count(kind)} of {len(verdicts)} strategies that have a verdict"
        title = f"No evidence that transfer helps or hurts here, {judged}."
    return _headline(kind, title, [*sentences, *caution])


def _headline(kind, title, sentences):
    return {"kind": kind, "mark": MARKS[kind], "title": title, "sentences": sentences}


def list_incomplete(splits):
    """Say of every subject that lacks a sequence what its networks get.

    Parameters
    ----------
    splits : dict
        `splits.json`.

    Returns
    -------
    list of dict
        `subject`, `task`, `words`.
    """
    rows = []
    for task, known in splits.get("tasks", {}).items():
        # of a task without networks nothing is predicted
        for subject, lacks in known.get("incomplete", {}).items() if known["trainable"] else ():
            there = ", ".join(name for name in known["sequences"] if name not in lacks)
            role = "trained on and predicted" if subject in known["subjects"] else "predicted"
            rows.append({"subject": subject, "task": task, "words": f"without {', '.join(lacks)}: {role} from {there}"})
    return rows


def name_arm_key(arm, n=False):
    """Name an arm given as (task, source, strategy, n)."""
    words = name_arm({"source": arm[1], "strategy": arm[2]})
    if n and words.endswith(")"):
        return f"{words[:-1]}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{arm[3]})"
    return f"{words} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{arm[3]})" if n else words


def write_difference(row, digits=3, unit=""):
    """Write a mean difference with its interval, or say that there is no interval."""
    if row["mean"] is None:
        return "no estimate"
    ends = "no interval" if row["low"] is None else f"95 %: {write_bounds(row, digits=digits)}"
    return f"{write_signed(row['mean'], digits)}{unit} ({ends})"


def finding(name_, figure, verdict):
    """Give one line of a claim: of which arm, the figure in words, what it supports."""
    return {"name": name_, "figure": figure, "verdict": verdict}


def some(names, most=3):
    """Join names, at most a few of them."""
    names = [str(one) for one in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
