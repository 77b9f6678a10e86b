"""Write and read verdict cards: the findings of a run in a few kilobytes that can be shared.

A card has numbers, names of strategies and sources, and versions, but no patient data, paths or free text; its schema
`workflow/schemas/verdict_card.schema.yaml` allows nothing else. The Snakefile imports this module to find cards, so
it imports nothing heavy.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, cast

from neurograft.core.split_file import SplitFile, map_tasks
from neurograft.core.strategies import CONTROLS, EXTERNAL
from neurograft.core.tables import parse_number
from neurograft.core.versions import read_versions

FORMAT = 1
NAME = "verdict_card.json"
DIGITS = 4  # significant digits of the numbers
LARGEST = 1_000_000  # bytes; a card has a few thousand
NORMAL = 1.959964  # half width of a 95 % interval in standard errors
# the fields that the arms of one question share
QUESTION = ("task", "region", "metric", "space", "split")
SOFTWARE = ("torch", "monai")


class CardError(ValueError):
    """The search for cards failed; the message is one line that says what to do."""


class CardArm(TypedDict):
    """One arm against scratch; the schema describes every field."""

    strategy: str
    parameters: dict[str, float]
    source: str
    n: int | str
    steps: int | None
    patients: int
    mean_difference: float | None
    standard_error: float | None
    patient_spread: float | None
    luck_spread: float | None
    verdict: str


class CardQuestion(TypedDict):
    """One task, region and metric, with its arms."""

    task: str
    target: str
    region: str
    metric: str
    better: str
    margin: float | None
    split: str
    folds: int
    seeds: int
    sizes: list[int | str]
    patients: int
    arms: list[CardArm]


class Card(TypedDict):
    """The whole file."""

    format: int
    simulated: bool
    repeats: int
    versions: dict[str, str]
    questions: list[CardQuestion]


class CardSettings(TypedDict):
    """The only parts of the configuration that a card contains."""

    simulated: bool
    repeats: int
    margin: Mapping[str, float]  # by metric
    variants: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True)
class NamedCard:
    """A card and the name of its cohort, from the card's file or folder."""

    name: str
    card: Card


@dataclass(frozen=True)
class LeftOut:
    """A file that is not pooled; the reason is one line that says what to do."""

    name: str
    reason: str


def take_settings(config: Mapping[str, Any]) -> CardSettings:
    """Extract what a card needs from the resolved configuration, so that other changes do not trigger a new card."""
    return {
        "simulated": config["dataset"]["layout"] == "phantom",
        "repeats": int(config["split_cohort"].get("repeats", 1)),
        "margin": config.get("margin", {}),
        "variants": config.get("variants", {}),
    }


def fill_verdict_card(
    comparison: Sequence[Mapping[str, Any]],
    times: Iterable[Mapping[str, Any]],
    split: SplitFile,
    settings: CardSettings,
) -> Card:
    """Fill in the card of a run.

    Parameters
    ----------
    comparison : list of dict
        Rows of `comparison.tsv`. A question is included if one of its arms has a verdict; its arms are all those
        compared with scratch, at every training size, except controls.
    times : iterable of dict
        Rows of `times.tsv`.
    split : dict
        `splits.json`.
    settings : dict
        From `take_settings`.

    Returns
    -------
    dict
    """
    # masks of other programs have names chosen by the user, and say nothing about transfer
    against = [
        row
        for row in comparison
        if row["against"] == "scratch" and row["strategy"] not in CONTROLS and row["source"] != EXTERNAL
    ]
    asked = dict.fromkeys(tuple(str(row[name]) for name in QUESTION) for row in against if row["verdict"])
    trained = list(times)
    questions: list[CardQuestion] = []
    for key in asked:
        rows = [row for row in against if tuple(str(row[name]) for name in QUESTION) == key]
        questions.append(_fill_question(rows, trained, split, settings))
    return {
        "format": FORMAT,
        "simulated": settings["simulated"],
        "repeats": settings["repeats"],
        "versions": read_versions(SOFTWARE),
        "questions": questions,
    }


def _fill_question(
    rows: Sequence[Mapping[str, Any]],
    times: Sequence[Mapping[str, Any]],
    split: SplitFile,
    settings: CardSettings,
) -> CardQuestion:
    """Fill in one question from the rows of its arms."""
    first = rows[0]
    task, of_task = str(first["task"]), map_tasks(split)[str(first["task"])]
    cells = [row for row in times if all(str(row[name]) == str(first[name]) for name in ("task", "space", "split"))]
    repeats = settings["repeats"] if str(first["split"]) == "folds" else 1
    return {
        "task": task,
        "target": _word(of_task.get("target", "")),
        "region": _word(first["region"]),
        "metric": str(first["metric"]),
        "better": str(first["better"]),
        "margin": parse_number(settings["margin"].get(str(first["metric"]))),
        "split": str(first["split"]),
        "folds": len({str(row["fold"]) for row in cells}) // repeats or 1,
        "seeds": len({str(row["seed"]) for row in cells}) or 1,
        "sizes": [_read_size(n) for n in dict.fromkeys(str(row["n"]) for row in rows)],
        "patients": len({of_task["patients"].get(subject, subject) for subject in of_task["subjects"]}),
        "arms": [_fill_arm(row, cells, settings["variants"]) for row in rows],
    }


def _fill_arm(
    row: Mapping[str, Any], cells: Iterable[Mapping[str, Any]], variants: Mapping[str, Mapping[str, Any]]
) -> CardArm:
    """Turn a row of `comparison.tsv` into an arm; only this function depends on that table's columns."""
    steps = [
        int(cell["steps"])
        for cell in cells
        if all(str(cell[key]) == str(row[key]) for key in ("strategy", "source", "n"))
    ]
    variant = dict(variants.get(str(row["strategy"]), {"method": row["strategy"]}))
    low, high = parse_number(row["low"]), parse_number(row["high"])
    error = parse_number(row.get("standard_error"))
    if error is None and low is not None and high is not None:
        error = (high - low) / (2 * NORMAL)
    return {
        "strategy": str(variant.pop("method")),
        "parameters": {str(name): float(value) for name, value in sorted(variant.items())},
        "source": _word(row["source"]),
        "n": _read_size(row["n"]),
        "steps": max(steps, default=None),
        "patients": int(row["patients"]),
        "mean_difference": _round(parse_number(row["mean_difference"])),
        "standard_error": _round(error),
        "patient_spread": _round(parse_number(row.get("patient_spread"))),
        "luck_spread": _round(parse_number(row.get("luck_spread"))),
        "verdict": str(row["verdict"]),
    }


def _round(value: float | None) -> float | None:
    """Round a number: with all its digits, a mean over few patients could be matched to a table of scores."""
    return None if value is None else float(f"{value:.{DIGITS}g}")


def _read_size(n: object) -> int | str:
    """Read a training size: a number, or `all`."""
    return "all" if str(n) == "all" else int(str(n))


def _word(value: object) -> str:
    """Reduce a name chosen by the user to the characters and length that the schema allows."""
    return re.sub(r"[^0-9A-Za-z._-]", "-", str(value))[:40]


def find_cards(folder: object) -> list[str]:
    """Find the cards in a folder: its JSON files, and each `verdict_card.json` in the folders below.

    Parameters
    ----------
    folder : str or Path
        May contain whole folders of results. Hidden files are ignored.

    Returns
    -------
    list of str
        Sorted paths.

    Raises
    ------
    CardError
        If the folder does not exist or has no card.
    """
    # a folder may be named 2024, which the command line reads as a number
    if folder in (None, "") or not isinstance(folder, str | Path | int):
        raise CardError(f"cards is {folder!r}: name the folder of the cards, as in --config cards=DIR")
    place = Path(str(folder))
    if not place.is_dir():
        raise CardError(f"cards: {folder} is no folder; name the one that holds the cards of the cohorts")
    found = {path for path in (*place.glob("*.json"), *place.rglob(NAME)) if path.is_file()}
    shown = sorted(str(path) for path in found if not _is_hidden(path.relative_to(place)))
    if not shown:
        raise CardError(
            f"cards: {folder} holds no card; copy each cohort's results/{NAME} into it, as COHORT.json or COHORT/{NAME}"
        )
    return shown


def _is_hidden(path: Path) -> bool:
    """Check whether a part of a path begins with a full stop."""
    return any(part.startswith(".") for part in path.parts)


def read_cards(
    paths: Sequence[str | Path], folder: str | Path, schema: Mapping[str, Any]
) -> tuple[list[NamedCard], list[LeftOut]]:
    """Read cards and list those that cannot be pooled, so that one broken file does not stop the pooling.

    Parameters
    ----------
    paths : list of str or Path
        From `find_cards`.
    folder : str or Path
        The folder in which they were found.
    schema : dict
        `verdict_card.schema.yaml`.

    Returns
    -------
    cards : list of NamedCard
    left_out : list of LeftOut
        Files that are no card, cards of another format, cards without a question, second copies of a card, and cards
        of simulated patients if others are of real ones.
    """
    cards: list[NamedCard] = []
    left_out: list[LeftOut] = []
    seen: dict[str, str] = {}
    for path, name in zip(paths, _name_cohorts(paths, folder), strict=True):
        card, reason = _read_card(Path(path), schema)
        if card is not None:
            content = json.dumps({**card, "versions": {}}, sort_keys=True)
            reason = f"is the same card as {seen[content]}; a cohort counts once" if content in seen else ""
            seen.setdefault(content, name)
        if card is None or reason:
            left_out.append(LeftOut(name, reason))
        else:
            cards.append(NamedCard(name, card))
    real = [named for named in cards if not named.card["simulated"]]
    if real:
        left_out += [
            LeftOut(named.name, "is of simulated patients, and the others are not; pool it apart")
            for named in cards
            if named.card["simulated"]
        ]
    return real or cards, left_out


def read_schema(path: str | Path) -> dict[str, Any]:
    """Read the JSON schema of a card from its YAML file."""
    import yaml

    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def _name_cohorts(paths: Sequence[str | Path], folder: str | Path) -> list[str]:
    """Name each cohort by its file or, if that is `verdict_card.json`, by its folder; the names are unique."""
    names: list[str] = []
    for path in paths:
        place = Path(path).relative_to(folder)
        parts = [part for part in place.parts[:-1] if part != "results"]
        short = "/".join(parts) if place.name == NAME and parts else place.with_suffix("").as_posix()
        # a line end in a file name must not break a line of the output
        names.append(" ".join((place.as_posix() if short in names else short).split()))
    return names


def _read_card(path: Path, schema: Mapping[str, Any]) -> tuple[Card | None, str]:
    """Read one card; return None and the reason if it is not usable."""
    again = f"copy the cohort's results/{NAME} again"
    if path.stat().st_size > LARGEST:
        return None, f"is larger than any card; {again}"
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8-sig"), parse_constant=_refuse_constant)
    except OSError as error:
        return None, f"cannot be read ({error.strerror}); {again}"
    except (ValueError, RecursionError):
        return None, f"is no JSON; {again}"
    if not isinstance(value, dict) or "format" not in value:
        return None, f"is no verdict card; {again}"
    content = cast("dict[str, Any]", value)
    if content["format"] != FORMAT:
        return None, (
            f"has format {json.dumps(content['format'])[:20]}, and this version of neurograft reads {FORMAT}; write it "
            f"again with the version that pools"
        )
    fault = _find_fault(content, schema)
    if fault:
        return None, f"is no card of format {FORMAT}: {fault}; {again}"
    card = cast(Card, value)
    return (card, "") if card["questions"] else (None, "compares nothing: its run has no verdict")


def _refuse_constant(name: str) -> None:
    """Refuse NaN and infinities, which Python accepts although they are not JSON."""
    raise ValueError(name)


def _find_fault(card: dict[str, Any], schema: Mapping[str, Any]) -> str:
    """Describe briefly what is wrong with a card; return "" if it is valid."""
    from jsonschema import Draft202012Validator, exceptions

    validator: Any = Draft202012Validator(cast(Any, schema))
    mistake: Any = cast(Any, exceptions).best_match(validator.iter_errors(card))
    if mistake is not None:
        place = ".".join(str(part) for part in mistake.absolute_path) or "the top level"
        return f"{place}: {' '.join(str(mistake.message).split())[:120]}"
    for question in cast(Card, card)["questions"]:
        arms = [name_card_arm(arm) for arm in question["arms"]]
        twice = sorted({str(arm) for arm in arms if arms.count(arm) > 1})
        if twice:
            return f"the arm {twice[0]} stands in it twice"
    keys = [name_question(question) for question in cast(Card, card)["questions"]]
    return "a question stands in it twice" if len(set(keys)) < len(keys) else ""


def name_question(question: CardQuestion) -> tuple[str, ...]:
    """Return the key that identifies a question: what is learnt and scored, and how the cohort was split."""
    return tuple(str(question[name]) for name in ("task", "target", "region", "metric", "better", "split"))


def name_card_arm(arm: CardArm) -> tuple[str, ...]:
    """Return the key that identifies an arm: strategy, parameters, source and training size."""
    parameters = " ".join(f"{name}={value:g}" for name, value in sorted(arm["parameters"].items()))
    return arm["strategy"], parameters, arm["source"], str(arm["n"])
