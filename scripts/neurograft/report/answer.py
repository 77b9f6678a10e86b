"""The first screen of the report: what to use, why, at what price, and what is not known."""

from neurograft.core import tables
from neurograft.core.strategies import CONTROLS
from neurograft.report import summaries
from neurograft.report.chapters import trust
from neurograft.report.chapters.experiment import forest_line
from neurograft.report.charts.cohort import draw_forest
from neurograft.report.sentences import (
    MARKS,
    comparison_sentence,
    describe_chances,
    format_chance,
    format_difference,
    format_number,
    join_names,
    name_arm,
    name_score,
)

# a probability above which the effect of pretraining itself counts as known, one side of a 95 % interval
SURE = 0.975
SIMULATED = "All patients here are simulated: this shows that the workflow runs, and says nothing about real patients."


def answer(results):
    """Answer the question of the report.

    Parameters
    ----------
    results : results.Results
        Of the primary space and split.

    Returns
    -------
    dict
        `kind` (a key of `MARKS`), `mark`, `title`, `sentences`, and `forest`: the comparisons with scratch as SVG, or
        nothing.
    """
    caution = [*trust.caution_sentences(results), *([SIMULATED] if results.simulated else [])]
    trained = [cell for cell in results.cells if cell.get("trained", True)]
    if not trained and not results.scores:
        tasks = results.splits.get("tasks", {}).values()
        reasons = {task["reason"] for task in tasks if not tables.parse_boolean(task.get("trainable"))}
        why = "; ".join(sorted(reason for reason in reasons if reason)) or "no network was asked for"
        note = "Preprocessing, quality control and tumour candidates, shown below, are complete nevertheless."
        return _screen("nothing", f"No network was trained: {why.rstrip('.')}.", [note, *caution])
    rows = summaries.primary_rows(results.comparison)
    if not rows:
        why = "No strategy other than the controls was scored against training from scratch on the same patients."
        return _screen("nothing", "There is nothing to compare yet.", [why, *caution])
    use = results.recommendation.get("use")
    if not use:
        observed = [comparison_sentence(row, results.comparison) for row in rows]
        return _screen("refused", "No verdict can be given on these data.", [*observed, *caution], rows)
    chosen = next((row for row in rows if _arm(row) == _arm(use)), None)
    kind, title = _title(use, chosen, rows)
    sentences = [_because(use, chosen, rows), _price(use, results), _unknown(chosen, rows, results.comparison)]
    return _screen(kind, title, [*filter(None, sentences), *caution], rows)


def _screen(kind, title, sentences, rows=()):
    drawn = draw_forest([forest_line(row) for row in rows], rows[0]["better"]) if rows else ""
    caption = f"{name_score(rows[0])} against training from scratch" if rows else ""
    return {
        "kind": kind, "mark": MARKS[kind], "title": title, "sentences": sentences, "forest": drawn, "caption": caption,
    }  # fmt: skip


def _arm(row):
    return row["strategy"], str(row["source"])


def _title(use, chosen, rows):
    """Say what to use; the kind is the verdict that this rests on."""
    verdicts = [row["verdict"] for row in rows]
    if chosen is not None:
        kind, name = chosen["verdict"], name_arm(chosen)
        titles = {
            "helps": f"Use {name}: it helps here.",
            "no practical difference": f"Use {name}: as good as training from scratch, and the cheaper choice.",
            "undecided": f"Use {name} for now: it looks better, but that is not decided.",
        }
        return kind, titles.get(kind, f"Use {name}.")
    if "hurts" in verdicts and set(verdicts) <= {"hurts", "no practical difference", "undecided"}:
        return "hurts", "Train from scratch: transfer does not help here."
    if set(verdicts) == {"no practical difference"}:
        return "no practical difference", "Train from scratch: transfer makes no practical difference here."
    if "helps" in verdicts:
        return "undecided", "Train from scratch: what helps costs more than it brings."
    return "undecided", "Train from scratch for now: transfer does not look better, but that is not decided."


def _because(use, chosen, rows):
    """Say what the choice gains, how probably, and what it costs if it is wrong."""
    regret = f"If another choice is better after all, this one loses {format_number(use['regret'])} on average."
    row = chosen
    if row is None:
        row = max(rows, key=lambda row: tables.parse_number(row["p_better"]) or 0)
        lead = f"Why: with the most promising alternative, {name_arm(row)}, "
    else:
        lead = "Why: "
    change = f"{name_score(row)} changed by {format_difference(row)} compared with training from scratch"
    return f"{lead}{change}, in {row['patients']} patients. It is {describe_chances(row)}. {regret}"


def _price(use, results):
    """Say what the choice costs: labels, steps, time, licence."""
    n = summaries.count_training(results.recommendation["n"], results.recommendation["task"], results.splits)
    labels = f"{format_number(n, 0)} labelled patients, " if n else ""
    words = f"Price: {labels}{format_number(use['steps'], 0)} steps and {_duration(use['seconds'])} for one training"
    scratch = next((other for other in results.recommendation["choices"] if other["strategy"] == "scratch"), None)
    if scratch and use["strategy"] != "scratch":
        words += f" (scratch: {format_number(scratch['steps'], 0)} steps, {_duration(scratch['seconds'])})"
    if use["strategy"] not in CONTROLS:
        words += f"; pretrained weights of {use['source']} under {use['licence'] or 'an unstated licence'}"
    return f"{words}. Every verdict holds for this budget."


def _duration(seconds):
    """Write a time in seconds or minutes."""
    return f"{seconds / 60:.1f} min" if seconds >= 120 else f"{seconds:.0f} s"


def _unknown(chosen, rows, comparison):
    """Say what the run does not show, and what would."""
    parts = []
    # what is recommended comes first, and what would decide it is said
    open_rows = sorted((row for row in rows if row["verdict"] == "undecided"), key=lambda row: row is not chosen)
    if open_rows:
        names = join_names([name_arm(row) for row in open_rows], 2).replace(", ", " and ")
        verb, whose = ("differs", "") if len(open_rows) == 1 else ("differ", f"{name_arm(open_rows[0])}: ")
        parts.append(f"whether {names} {verb} from scratch: {whose}{open_rows[0]['reason']}")
    row = chosen or max(rows, key=lambda row: tables.parse_number(row["p_better"]) or 0)
    other = summaries.control_row(comparison, row)
    if other is None:
        parts.append("whether pretraining matters, or any fixed features would do: frozen-random was not trained")
    elif (tables.parse_number(other["p_better"]) or 0) < SURE:
        parts.append(
            f"whether it is the pretraining that counts: {name_arm(row)} is better than random frozen features with a "
            f"probability of {format_chance(other['p_better'])}"
        )
    return f"Not known: {'; and '.join(parts)}." if parts else ""
