"""The sentences of the report, and the one home of how a number and its interval are written."""

from markupsafe import Markup

from neurograft.core import tables
from neurograft.core.region_words import name_region
from neurograft.core.strategies import CONTROLS, ENSEMBLE, METHODS, TRANSDUCTIVE, base_strategy
from neurograft.report import summaries

NO_VALUE = "–"
MINUS = "\N{MINUS SIGN}"
MARKS = {"helps": "▲", "hurts": "▼", "no evidence": "●", "refused": "■", "not converged": "◇", "nothing": "○"}
MEASURES = {
    "dice": "Dice", "hd95": "HD95", "volume-error": "volume error",
    "balanced-accuracy": "balanced accuracy", "accuracy": "accuracy", "auc": "AUC", "brier": "Brier score",
    "sensitivity": "sensitivity", "specificity": "specificity",
}  # fmt: skip


def format_number(value, digits=3, signed=False):
    """Format a number, or a dash where there is none.

    Parameters
    ----------
    value : float or str or None
        As read from a table.
    digits : int
        Digits after the point.
    signed : bool
        Write the sign of positive numbers too, as is usual for differences.

    Returns
    -------
    str
        With a real minus sign, which does not break at the end of a line.
    """
    read = tables.parse_number(value)
    return NO_VALUE if read is None else f"{read:{'+' if signed else ''}.{digits}f}".replace("-", MINUS)


def format_significant(value, digits=3):
    """Format a number with so many significant digits, or a dash where there is none."""
    read = tables.parse_number(value)
    return NO_VALUE if read is None else f"{read:.{digits}g}".replace("-", MINUS)


def format_percent(share, digits=1):
    """Format a share from 0 to 1 in percent, or a dash where there is none."""
    read = tables.parse_number(share)
    return NO_VALUE if read is None else f"{format_number(100 * read, digits)} %"


def format_interval(low, high, digits=3, signed=False):
    """Format the two ends of an interval, or a dash unless both are numbers."""
    if tables.parse_number(low) is None or tables.parse_number(high) is None:
        return NO_VALUE
    return f"{format_number(low, digits, signed)} to {format_number(high, digits, signed)}"


def shorten_interval(words):
    """Write an interval given in words once where both of its ends are the same words, such as "not reached"."""
    return " to ".join(dict.fromkeys(str(words).split(" to ")))


def format_difference(row, digits=3, unit=""):
    """Format a mean difference with its 95 % confidence interval.

    Parameters
    ----------
    row : dict
        `mean` (or `mean_difference`, as in `comparison.tsv`), `low` and `high`; numbers may be text or missing.
    digits : int
        Digits after the point.
    unit : str
        Written behind the mean, with a leading space if it needs one.

    Returns
    -------
    str
        Such as "+0.030 (95 % CI +0.010 to +0.050)"; "no estimate" without a mean.
    """
    mean = row.get("mean", row.get("mean_difference"))
    if tables.parse_number(mean) is None:
        return "no estimate"
    interval = format_interval(row.get("low"), row.get("high"), digits, signed=True)
    ends = "no interval" if interval == NO_VALUE else f"95 % CI {interval}"
    return f"{format_number(mean, digits, signed=True)}{unit} ({ends})"


def stack(value, below):
    """Put a formatted value above a smaller line, for a narrow column of a table."""
    return Markup("{}<br><small>{}</small>").format(value, below)


def stack_interval(row, digits=3, signed=False):
    """Put a row's `mean` above its interval (`low`, `high`) for a narrow column, or return a dash without a mean."""
    mean = format_number(row.get("mean"), digits, signed)
    interval = format_interval(row.get("low"), row.get("high"), digits, signed)
    return mean if NO_VALUE in (mean, interval) else stack(mean, interval)


def name_arm(row):
    """Name a strategy with its source, and mark it if it adapts to target images."""
    strategy, source = row["strategy"], str(row["source"] or "")
    if strategy in CONTROLS:
        # a control has the architecture of a source, but none of its weights
        return f"{strategy} ({source})" if source not in ("", "none") else strategy
    if not source or METHODS.get(strategy) == "none":
        return strategy
    if METHODS.get(strategy) == "random encoder" or strategy == ENSEMBLE:
        return f"{strategy} ({source})"
    transductive = " (transductive)" if base_strategy(strategy) in TRANSDUCTIVE else ""
    return f"{strategy} from {source}{transductive}"


def comparison_sentence(row, comparison):
    """Describe a comparison that has a verdict in one or two sentences."""
    region = name_region(row["region"])
    name, patients = name_arm(row), row["patients"]
    change = f"{region} Dice changed by {format_difference(row)} compared with training from scratch, "
    change += f"in {patients} patients"
    if row["verdict"] == "refused":
        why = row["reason"][:1].upper() + row["reason"][1:]
        return f"{name}: no verdict can be given. {why}. Observed: {change}."
    if row["verdict"] == "not converged":
        return f"{name}: no verdict, because {row['reason']}. Observed so far: {change}."
    words = {
        "helps": f"{name} helps: {change}.",
        "hurts": f"{name} hurts: {change}.",
        "no evidence": f"{name}: no evidence of a difference. {change[0].upper()}{change[1:]}.",
    }[row["verdict"]]
    if row["verdict"] == "no evidence":
        words += _undetected(row)
    return words + _against_random(row, comparison)


def _undetected(row):
    """Describe the difference that would have been detected, so that no evidence is not read as no difference."""
    detectable = tables.parse_number(row["detectable"])
    if detectable is None:
        return ""
    if detectable >= 1:  # two Dice scores are never that far apart
        return (
            " With so few patients, no difference of any size would be detected reliably: benefit or harm remains "
            "possible."
        )
    words = (
        f" With so few patients, only a difference of {format_number(detectable)} or more would be detected reliably"
    )
    unknown = tables.parse_number(row["mean_difference"]) is None
    return words + ("." if unknown else ", so a smaller benefit or harm remains possible.")


def again_sentence(row):
    """Describe the comparison of scratch with itself, trained again with another seed."""
    words = f"Scratch of {row['source']}, trained again with another seed and compared with itself (A/A test): "
    words += f"{row['verdict']}, {format_difference(row)} in {row['patients']} patients."
    if row["verdict"] in ("helps", "hurts"):
        words += " This verdict is false: do not trust the other verdicts of this run."
    return words


def _against_random(row, comparison):
    """Describe whether the control with random features explains the result."""
    other = summaries.control_row(comparison, row)
    low = tables.parse_number(other["low"]) if other else None
    if other is None or low is None:
        return ""
    difference = format_difference(other)
    if low > 0 and row["verdict"] == "helps":
        return f" It also beats a frozen random encoder, by {difference}: the pretraining itself matters."
    words = f" Compared with a frozen random encoder the difference is {difference}"
    if low > 0:
        return f"{words}: better than random features, but no improvement over training from scratch."
    return f"{words}, so it is not shown that the pretraining, rather than any other fixed features, is what counts."


def headline(comparison, splits, scores, cells, simulated):
    """Answer the question of the report.

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
        note = "Preprocessing and quality control, shown below, are complete nevertheless."
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
    """List the subjects that lack a sequence, and what their networks receive instead.

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
    for task, split in splits.get("tasks", {}).items():
        # without networks nothing is predicted
        for subject, lacks in split.get("incomplete", {}).items() if split["trainable"] else ():
            available = ", ".join(name for name in split["sequences"] if name not in lacks)
            role = "trained on and predicted" if subject in split["subjects"] else "predicted"
            words = f"without {', '.join(lacks)}: {role} from {available}"
            rows.append({"subject": subject, "task": task, "words": words})
    return rows


def name_arm_key(arm, n=False):
    """Name an arm given as (task, source, strategy, n)."""
    words = name_arm({"source": arm[1], "strategy": arm[2]})
    if n and words.endswith(")"):
        return f"{words[:-1]}, n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{arm[3]})"
    return f"{words} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{arm[3]})" if n else words


def finding(name, figure, verdict):
    """Return one line of a claim: the arm's name, the result in words, and what it supports."""
    return {"name": name, "figure": figure, "verdict": verdict}


def join_names(names, most=3):
    """Join names with commas, at most a few of them."""
    names = [str(name) for name in names]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
