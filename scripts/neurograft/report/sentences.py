"""The sentences of the report, and the one home of how a number and its interval are written."""

from markupsafe import Markup

from neurograft.core import tables
from neurograft.core.region_words import name_region
from neurograft.core.strategies import CONTROLS, ENSEMBLE, EXTERNAL, METHODS, TRANSDUCTIVE, base_strategy
from neurograft.report import summaries
from neurograft.stats import paired_verdict

NO_VALUE = "–"
MINUS = "\N{MINUS SIGN}"
MARKS = {
    "helps": "▲", "hurts": "▼", "no practical difference": "=", "undecided": "●", "refused": "■", "nothing": "○",
}  # fmt: skip
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


def format_minutes(minutes):
    """Format minutes with three digits, or whole from 100 on."""
    return format_number(minutes, 0) if minutes >= 100 else format_significant(minutes)


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
    """Name a strategy with its source, and mark it if it adapts to target images or is another program's."""
    strategy, source = row["strategy"], str(row["source"] or "")
    if strategy in CONTROLS:
        # a control has the architecture of a source, but none of its weights
        return f"{strategy} ({source})" if source not in ("", "none") else strategy
    if not source or METHODS.get(strategy) == "none":
        return strategy
    if METHODS.get(strategy) == "random encoder" or strategy == ENSEMBLE or source == EXTERNAL:
        return f"{strategy} ({source})"
    transductive = " (transductive)" if base_strategy(strategy) in TRANSDUCTIVE else ""
    return f"{strategy} from {source}{transductive}"


def format_chance(share):
    """Format a probability in percent, never as certain, or a dash where there is none."""
    read = tables.parse_number(share)
    return NO_VALUE if read is None else paired_verdict.format_chance(read)


def name_score(row):
    """Name what a comparison is measured by, such as "whole-tumour Dice"."""
    region = name_region(row["region"]) if row["region"] else ""
    return f"{region} {MEASURES.get(row['metric'], row['metric'])}".strip()


def describe_chances(row):
    """Describe how probable it is that an arm is better than its control, and by more than the margin."""
    words = f"better with a probability of {format_chance(row['p_better'])}"
    margin = tables.parse_number(row["margin"])
    if not margin:
        return words
    more, less, same = (format_chance(row[name]) for name in ("p_better_margin", "p_worse_margin", "p_equal"))
    return f"{words} (by more than {margin:g}: {more}; worse by more than {margin:g}: {less}; in between: {same})"


def comparison_sentence(row, comparison):
    """Describe a comparison that has a verdict in two or three sentences."""
    name = name_arm(row)
    change = f"{name_score(row)} changed by {format_difference(row)} compared with training from scratch, "
    change += f"in {row['patients']} patients"
    if row["verdict"] == "refused":
        why = row["reason"][:1].upper() + row["reason"][1:]
        return f"{name}: no verdict can be given. {why}. Observed: {change}."
    words = {
        "helps": f"{name} helps: {change}.",
        "hurts": f"{name} hurts: {change}.",
        "no practical difference": f"{name} makes no practical difference: {change}.",
        "undecided": f"{name}: undecided. {change[0].upper()}{change[1:]}.",
    }[row["verdict"]]
    words += f" It is {describe_chances(row)}."
    if row["verdict"] == "undecided" and row["reason"]:
        words += f" {row['reason'][:1].upper()}{row['reason'][1:]}."
    return words + _against_random(row, comparison)


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


def list_notes(cells):
    """List what readers should know of the cells, each note of an arm once.

    Parameters
    ----------
    cells : list of dict
        Manifests; those of other programs' masks may have `notes`.

    Returns
    -------
    list of str
    """
    return list(dict.fromkeys(f"{name_arm(cell)}: {note}" for cell in cells for note in cell.get("notes", ())))


def describe_repeats(repeats):
    """Return the words, to stand behind the number of folds, for how often patients were divided anew."""
    return f", {repeats} times anew" if repeats > 1 else ""


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
