"""The page of an EEG run: what others' trials are worth, and, told apart from it, what anatomy adds."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2

from neurograft import __version__
from neurograft.core import files
from neurograft.core.tables import parse_number
from neurograft.report.charts.transfer import draw_curves
from neurograft.report.sentences import format_chance, format_interval, format_number, format_percent

TEMPLATES = Path(__file__).parent / "templates"
TABLES = ("comparison", "labels_saved", "anatomy", "means")
METRIC = "balanced-accuracy"
MARKS = {"helps": "▲", "hurts": "▼", "no practical difference": "≈", "undecided": "●", "refused": "○", "nothing": "○"}
NAMES = {
    "scratch": "own trials",
    "frozen": "others' trials",
    "fine-tune": "others' and own trials",
    "adabn": "others' trials standardised (transductive)",
    "frozen-random": "others' trials, labels shuffled",
}
SPACES = {
    "sensors": "sensor by sensor",
    "template": "through the template's cortex",
    "cortex": "through each person's own cortex",
    "cortex-wrong-head": "through another person's cortex",
}
CLAIMS = ("claim", "side", "how", "figure", "verdict", "state")
PEOPLE = ("participant_id", "included", "reason", "trials", "rejected", "positions", "dropped", "head")
ANATOMY_HEADS = [
    ("trials", "name"), ("own labels", "number"), ("space", "name"), ("less", "name"), ("difference", "number"),
    ("95 % CI", "number"), ("chance of better", "number"), ("verdict", ""),
]  # fmt: skip
SAVED_HEADS = [
    ("trials", "name"), ("space", "name"), ("own labels", "number"), ("own trials alone would take", "number"),
    ("95 % CI", "number"), ("saved", "number"), ("people", "number"),
]  # fmt: skip
VERDICT_HEADS = [
    ("trials", "name"), ("less own trials", "number"), ("95 % CI", "number"), ("chance of better", "number"),
    ("verdict", ""), ("why", ""),
]  # fmt: skip


def write_eeg_page(
    page: str | Path, words: str | Path, found: Mapping[str, Sequence[Mapping[str, str]]], settings: Mapping[str, Any]
) -> None:
    """Write the page, and the answer alone as text.

    Parameters
    ----------
    page, words : str or Path
    found : dict of str to list of dict
        The tables `TABLES`, as text.
    settings : dict
        `title`, `simulated`, `spaces` (the verdict is in the first), `known` (degrees), `rows` (from `list_people`).
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    values = fill_page(found, settings)
    text = environment.get_template("eeg.html.j2").render(values)
    with files.whole(page) as part:
        part.write_text(text, encoding="utf-8")
    lines = ["SIMULATED people."] * settings["simulated"] + [values["answer"], values["anatomy_answer"]]
    with files.whole(words) as part:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")


def list_people(
    names: Sequence[str],
    records: Sequence[Mapping[str, Any]],
    heads: Sequence[Mapping[str, Any]],
    split: Mapping[str, Any],
    left_out: Mapping[str, str],
) -> list[dict[str, Any]]:
    """List everyone, with the reason of who is left out, and what is odd about a head.

    Returns
    -------
    list of dict
        Rows of `results/cohort.tsv` (`PEOPLE`).
    """
    rows = [
        {
            "participant_id": name, "included": name in split["people"], "reason": split["left_out"].get(name, ""),
            "trials": record.get("trials", 0), "rejected": record.get("rejected", 0),
            "positions": record.get("positions", ""),
            "dropped": "; ".join(f"{channel}: {why}" for channel, why in record.get("dropped", {}).items()),
            "head": "; ".join(head.get("flags", ())),
        }
        for name, record, head in zip(names, records, heads, strict=True)
    ]  # fmt: skip
    return rows + [{"participant_id": name, "included": False, "reason": why} for name, why in left_out.items()]


def list_claims(found: Mapping[str, Sequence[Mapping[str, str]]]) -> list[dict[str, str]]:
    """List what the run says of claims about transfer, as the table of every report does.

    Returns
    -------
    list of dict
        Rows of `claims.tsv` (`CLAIMS`).
    """
    judged = [row for row in found["comparison"] if row["verdict"]]
    sizes = [(row, f"{_points(row['mean_difference'])} points ({_range(row['low'], row['high'])})") for row in judged]
    space, n = (judged[0]["space"], judged[0]["n"]) if judged else ("", "")
    random = [
        row for row in found["comparison"]
        if (row["metric"], row["space"], row["n"], row["against"]) == (METRIC, space, n, "frozen-random")
    ]  # fmt: skip
    saved = [row for row in found["labels_saved"] if row["space"] == space and row["strategy"] != "frozen-random"]
    anatomy = [row for row in found["anatomy"] if row["verdict"]]
    listed = {
        ("Better performance", "promise", f"others' trials less {n} own trials of each class, balanced accuracy"): [
            (f"{row['strategy']}: {size}", row["verdict"]) for row, size in sizes
        ],
        ("Fewer labels", "promise", "own trials of each class that do as well alone, from the isotonic curve"): [
            (f"{row['strategy']} with {row['n']} own: {row['answer']} ({row['interval'] or row['reason']})", "")
            for row in saved
        ],
        ("Limited transferability", "risk", "the same others' trials less those with shuffled labels"): [
            (f"{row['strategy']}: {_points(row['mean_difference'])} points ({_range(row['low'], row['high'])})", "")
            for row in random
        ],
        ("Better through anatomy", "promise", "the same strategy in another space, on the same people"): [
            (
                f"{row['strategy']}, {row['space']} less {row['against']}: {_points(row['mean_difference'])} points "
                f"({_range(row['low'], row['high'])})",
                row["verdict"],
            )
            for row in anatomy
        ],
    }
    return [
        {
            "claim": claim, "side": side, "how": how, "figure": "; ".join(figure for figure, _ in lines),
            "verdict": "; ".join(verdict for _, verdict in lines if verdict),
            "state": "measured" if lines else "not measured",
        }
        for (claim, side, how), lines in listed.items()
    ]  # fmt: skip


def fill_page(found: Mapping[str, Sequence[Mapping[str, str]]], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Give the values of `eeg.html.j2`."""
    first = settings["spaces"][0]
    judged = [row for row in found["comparison"] if row["verdict"]]
    kind, answer = answer_question(judged)
    people = settings["rows"]
    return {
        "title": settings["title"],
        "simulated": settings["simulated"],
        "version": __version__,
        "kind": kind,
        "mark_of": MARKS[kind],
        "answer": answer,
        "anatomy_answer": answer_anatomy(found["anatomy"], settings["simulated"], settings["known"]),
        "space": SPACES[first],
        "verdict_heads": VERDICT_HEADS,
        "verdicts": [_verdict_row(row) for row in judged],
        "control": describe_control(found["comparison"], first),
        "panels": [
            {"name": SPACES[space], "picture": draw_panel(found["means"], space)} for space in settings["spaces"]
        ],
        "saved_heads": SAVED_HEADS,
        "saved": [_saved_row(row) for row in found["labels_saved"] if row["strategy"] != "frozen-random"],
        "anatomy_heads": ANATOMY_HEADS,
        "anatomy": [_anatomy_row(row) for row in found["anatomy"]],
        "transductive": any(row["strategy"] == "adabn" for row in found["means"]),
        "claim_heads": [(name, "") for name in CLAIMS],
        "claims": [[row[name] for name in CLAIMS] for row in list_claims(found)],
        "count": sum(bool(row["included"]) for row in people),
        "odd_heads": [f"{row['participant_id']}: {row['head']}." for row in people if row["included"] and row["head"]],
        "left_out": [f"{row['participant_id']}: {row['reason']}." for row in people if not row["included"]],
    }


def answer_question(judged: Sequence[Mapping[str, str]]) -> tuple[str, str]:
    """Answer whether others' trials help, in one sentence, with all that have the first verdict of `MARKS`.

    All of them, since the best one alone would look better than it is.

    Returns
    -------
    kind : str
        A key of `MARKS`.
    answer : str
    """
    if not judged:
        return "nothing", "Nothing was compared with own trials."
    for kind in MARKS:
        rows = [row for row in judged if row["verdict"] == kind]
        if rows:
            break
    words = {
        "helps": "others' trials help",
        "hurts": "others' trials hurt",
        "no practical difference": "others' trials make no practical difference",
        "undecided": "it is undecided whether others' trials help",
        "refused": f"no verdict can be given: {say_people(rows[0]['reason'])}",
    }[kind]
    sizes = "; ".join(
        f"{NAMES[row['strategy']]} {_points(row['mean_difference'])} ({_range(row['low'], row['high'])})"
        for row in rows
    )
    return kind, (
        f"{words[:1].upper()}{words[1:]} ({len(rows)} of {len(judged)} ways of learning from them). In points of "
        f"balanced accuracy over {rows[0]['n']} own trials of each class: {sizes}; {rows[0]['patients']} people."
    )


def say_people(reason: str) -> str:
    """Say people in a reason that speaks of patients and folds: here each person is a fold."""
    return re.sub(r"patients( in \d+ folds)?", "people", reason)


def answer_anatomy(rows: Sequence[Mapping[str, str]], simulated: bool, known: float) -> str:
    """Say what anatomy adds, apart from what others' trials do."""
    judged = [row for row in rows if row["verdict"] and row["strategy"] == "frozen"]
    parts = []
    for row in judged:
        if row["against"] == "sensors" or row["space"] == "cortex":
            size = f"{_points(row['mean_difference'])} points ({_range(row['low'], row['high'])})"
            parts.append(f"{SPACES[row['space']]} less {SPACES[row['against']]} {size}, {row['verdict']}")
    if not parts:
        return "Anatomy was not asked: others' trials came sensor by sensor alone."
    if not any("cortex" in row["space"] for row in judged):
        parts[-1] += " (the template is nobody's own anatomy)"
    about = (
        f" The folding of these simulated people is known to {known:g} degrees, and their heads and caps exactly."
        if simulated
        else ""
    )
    return f"What anatomy adds, with the same trials of the same others: {'; '.join(parts)}.{about}"


def describe_control(rows: Sequence[Mapping[str, str]], space: str) -> str:
    """Say what others' trials do with their labels shuffled."""
    wanted = {"strategy": "frozen-random", "metric": METRIC, "space": space, "against": "scratch"}
    found = [row for row in rows if all(row[key] == value for key, value in wanted.items())]
    if not found:
        return ""
    row = min(found, key=lambda row: int(row["n"]))
    high = parse_number(row["high"])
    meaning = (
        "no gain comes from anything but their labels"
        if high is not None and high < 0
        else "a gain of others' trials need not come from their labels"
    )
    return (
        f"With their labels shuffled, others' trials differ from {row['n']} own trials of each class by "
        f"{_points(row['mean_difference'])} points ({_range(row['low'], row['high'])}): {meaning}."
    )


def draw_panel(means: Sequence[Mapping[str, str]], space: str):
    """Draw the curves of one space over own labels."""
    rows = [row for row in means if row["space"] == space]
    sizes = sorted({row["n"] for row in rows}, key=int)
    lines = []
    for strategy in dict.fromkeys(row["strategy"] for row in rows):
        points = []
        for size in sizes:
            row = next((row for row in rows if (row["strategy"], row["n"]) == (strategy, size)), None)
            points.append(row and _point(row))
        lines.append({"label": strategy, "strategy": strategy, "points": points})
    values = [parse_number(row[key]) for row in means for key in ("low", "high")]
    known = [value for value in values if value is not None] or [0.0, 1.0]
    return draw_curves(lines, sizes, max(0.0, min(known) - 0.02), min(1.0, max(known) + 0.02), "own trials of a class")


def _point(row):
    """Give one point of a curve."""
    mean, low, high = (parse_number(row[key]) for key in ("mean", "low", "high"))
    return {
        "mean": mean,
        "low": low,
        "high": high,
        "note": f"{row['n']} own: {format_number(mean)}, {row['patients']} people",
    }


def _points(value):
    """Write a difference of shares in points."""
    number = parse_number(value)
    return format_number(None if number is None else 100 * number, 1, signed=True)


def _range(low, high):
    """Write an interval in points."""
    one, other = parse_number(low), parse_number(high)
    return "no interval" if one is None or other is None else format_interval(100 * one, 100 * other, 1, signed=True)


def _verdict_row(row):
    """Fill a row of the table of verdicts."""
    chance = format_percent(float(row["p_better"]), 1)
    return [
        NAMES[row["strategy"]], _points(row["mean_difference"]), _range(row["low"], row["high"]), chance,
        row["verdict"], say_people(row["reason"]),
    ]  # fmt: skip


def _saved_row(row):
    """Fill a row of the table of labels saved."""
    saved = parse_number(row["saved"])
    return [
        NAMES[row["strategy"]], SPACES[row["space"]], row["n"], row["answer"], row["interval"] or row["reason"],
        "" if saved is None else format_number(saved, 1, signed=True), row["patients"],
    ]  # fmt: skip


def _anatomy_row(row):
    """Fill a row of the table of anatomy."""
    return [
        NAMES[row["strategy"]], row["n"], row["space"], row["against"], _points(row["mean_difference"]),
        _range(row["low"], row["high"]), format_chance(float(row["p_better"])), row["verdict"],
    ]  # fmt: skip
