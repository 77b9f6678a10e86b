"""The page of pooled verdicts: one file that opens anywhere, and the same answer as text."""

from pathlib import Path

import jinja2

from neurograft import __version__
from neurograft.core import files
from neurograft.core.region_words import name_region
from neurograft.evaluation.pooled_verdicts import ONE_COHORT
from neurograft.evaluation.verdict_card import NORMAL
from neurograft.report import sentences
from neurograft.report.charts.pooled import draw_pooled
from neurograft.report.sentences import MEASURES, format_interval, format_number, format_percent

TEMPLATES = Path(__file__).parent / "templates"
TITLE = "Does transfer learning help, over several cohorts?"
MARKS = {"helps": "▲", "hurts": "▼", "no practical difference": "≈", "undecided": "●", "nothing": "○"}
HEADS = [
    ("cohort", "name"), ("patients", "number"), ("steps", "number"), ("difference", "number"),
    ("95 % CI", "number"), ("its own verdict", ""),
]  # fmt: skip


def write_pooled_page(path, words, pooled, templates=TEMPLATES):
    """Write the page, and the answer alone as text for the terminal.

    Parameters
    ----------
    path, words : str or Path
        An HTML and a text file; each is written whole.
    pooled : pooled_verdicts.PooledVerdicts
    templates : str or Path
        Folder of the Jinja templates.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    values = fill_page(pooled)
    text = environment.get_template("pooled.html.j2").render(values)
    with files.whole(path) as part:
        part.write_text(text, encoding="utf-8")
    lines = [f"{values['answer']}", *(f"- {sentence}" for _, sentence in values["sentences"])]
    lines += [f"Left out: {line}" for line in values["left_out"]] + [f"Mind: {line}" for line in values["notes"]]
    with files.whole(words) as part:
        part.write_text("\n".join(["SIMULATED patients."] * pooled.simulated + lines) + "\n", encoding="utf-8")


def fill_page(pooled):
    """Return the values of `pooled.html.j2`.

    Returns
    -------
    dict
        `answer` and `kind` (a key of `MARKS`), `sentences` (pairs of verdict and sentence), `panels` of the
        pooled arms, `alone` (lines of arms that one cohort has), `left_out`, `notes`, and what every page shows.
    """
    several = [arm for arm in pooled.arms if arm.row["verdict"] != ONE_COHORT]
    kind, answer = answer_question(pooled, several)
    return {
        "title": TITLE,
        "simulated": pooled.simulated,
        "version": __version__,
        "kind": kind,
        "mark_of": MARKS[kind],
        "answer": answer,
        "cohorts": pooled.cohorts,
        "sentences": [(arm.row["verdict"], describe_pooled(arm.row)) for arm in several],
        "panels": [_fill_panel(arm) for arm in several],
        "alone": [_describe_alone(arm) for arm in pooled.arms if arm.row["verdict"] == ONE_COHORT],
        "left_out": [f"{left.name} {left.reason}." for left in pooled.left_out],
        "notes": pooled.notes,
    }


def answer_question(pooled, several):
    """Answer the question of the page in one sentence.

    Parameters
    ----------
    pooled : PooledVerdicts
    several : list of PooledArm
        Those of two or more cohorts.

    Returns
    -------
    kind : str
        A key of `MARKS`.
    answer : str
    """
    count = len(pooled.cohorts)
    judged = {kind: [arm.row for arm in several if arm.row["verdict"] == kind] for kind in MARKS}
    kind = next((kind for kind in MARKS if judged[kind]), "nothing")
    if kind == "nothing":
        have = {
            0: "there is no card to pool",
            1: f"there is one card, {''.join(pooled.cohorts)}, and pooling takes two",
        }
        none = f"no two of the {count} cards share an arm that has a verdict"
        return kind, f"Nothing is pooled: {have.get(count, none)}."
    numbers = [str(number) for number in sorted({row["cohorts"] for row in judged[kind]})]
    words = {
        "helps": "transfer helps on average: ",
        "hurts": "transfer hurts on average: ",
        "no practical difference": "transfer makes no practical difference on average: ",
        "undecided": "it stays undecided whether transfer helps on average: ",
    }[kind]
    answer = f"Over {' to '.join(numbers[:1] + numbers[1:][-1:])} cohorts, {words}"
    answer += sentences.join_names(name_pooled(row) for row in judged[kind])
    if kind == "helps" and judged["hurts"]:
        answer += f"; what hurts is {sentences.join_names(name_pooled(row) for row in judged['hurts'])}"
    return kind, f"{answer}."


def name_pooled(row):
    """Name an arm with its parameters and, unless all patients trained, its training size."""
    name = sentences.name_arm(row)
    extra = [part for part in (row["parameters"], "" if row["n"] == "all" else f"n = {row['n']}") if part]
    return f"{name} ({', '.join(extra)})" if extra else name


def describe_pooled(row):
    """Describe a pooled arm in one sentence: on average, and in a further cohort."""
    region, metric = name_region(row["region"]), MEASURES.get(row["metric"], row["metric"])
    measure = f"{region} {metric}".strip()
    verdict = {"no practical difference": " makes no practical difference", "undecided": " is undecided", "": ""}
    words = f"{name_pooled(row)}{verdict.get(row['verdict'], ' ' + row['verdict'])}: {measure} changed by "
    words += f"{format_number(row['mean_difference'], signed=True)} on average over {row['cohorts']} cohorts and "
    words += f"{row['patients']} patients (95 % CI {format_interval(row['low'], row['high'], signed=True)}). "
    if row["verdict"] == "undecided" and (row["low"] > 0 or row["high"] < 0):
        words += "This excludes 0, but not once all arms of this page are counted. "
    words += f"In a new cohort like these expect {format_interval(row['new_low'], row['new_high'], signed=True)} "
    return words + f"(95 % prediction interval); the chance that it helps there is {_chance(row['p_better_new'])}."


def _chance(share):
    """Format a probability in whole percent, never as certain."""
    words = "over 99 %" if share > 0.99 else "under 1 %" if share < 0.01 else format_percent(share, 0)
    return words.replace(" %", "\N{NO-BREAK SPACE}%")


def _fill_panel(arm):
    """Return what the page shows of one pooled arm."""
    row = arm.row
    # no margin, no share of it
    known = row["margin"] == row["margin"]
    parts = ["better by more than the margin", "practically equal", "worse by more than the margin"]
    keys = ["p_better_margin", "p_equal", "p_worse_margin"]
    chances = [("better than scratch", _chance(row["p_better"]), _chance(row["p_better_new"]))]
    chances += [
        (words, _chance(row[key]), _chance(row[f"{key}_new"])) for words, key in zip(parts, keys, strict=True) if known
    ]
    tau = f"{format_number(row['tau'])} ({format_interval(row['tau_low'], row['tau_high'])})"
    members = [
        [
            member.cohort, member.patients, member.steps or sentences.NO_VALUE, format_number(member.mean, signed=True),
            format_interval(member.mean - NORMAL * member.error, member.mean + NORMAL * member.error, signed=True),
            member.verdict or sentences.NO_VALUE,
        ]
        for member in arm.members
    ]  # fmt: skip
    return {
        "name": name_pooled(row),
        "verdict": row["verdict"],
        "measure": " ".join(part for part in (row["task"], row["target"], row["region"], row["metric"]) if part),
        "split": row["split"],
        "picture": draw_pooled(arm),
        "chances": chances,
        "margin": format_number(row["margin"]) if known else "",
        "tau": tau,
        "i2": format_percent(row["i2"], 0),
        "heads": HEADS,
        "members": members,
    }


def _describe_alone(arm):
    """Describe an arm that one cohort alone has."""
    member = arm.members[0]
    size = format_number(member.mean, signed=True)
    where = " ".join(part for part in (arm.row["target"], arm.row["region"], arm.row["metric"]) if part)
    return f"{name_pooled(arm.row)}, {where}: only {member.cohort}, {size} ({member.patients} patients)"
