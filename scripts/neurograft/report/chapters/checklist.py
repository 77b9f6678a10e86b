"""The reviewers' checklist: what TRIPOD+AI, CLAIM 2024 and Valverde 2021 ask, answered from the files of the run."""

from collections import Counter
from functools import cache
from pathlib import Path

import yaml

from neurograft.core.files import read_json
from neurograft.report.chapters import checklist_evaluation, checklist_networks, checklist_study

CHECKLIST = Path(__file__).parent.with_name("checklist.yaml")
NOT_KNOWN = "The run does not say."
FILE = "checklist.json"
LISTED = 7  # parts of an answer that stand in one paragraph


class EditedError(ValueError):
    """A checklist says something that the run's files do not."""


@cache
def read_checklist(path=CHECKLIST):
    """Read the questions, once per process.

    Returns
    -------
    list of dict
        `part`, and its `items` (keys as the file's head says).
    """
    return yaml.safe_load(Path(path).read_text(encoding="utf-8"))


def fill_checklist(results):
    """Answer every question that a run can answer.

    Parameters
    ----------
    results : results.Results

    Returns
    -------
    list of dict
        A row for each item: `id`, `part`, `asks`, `tripod`, `claim`, `valverde` (item numbers), `state` ("answered",
        "in part" or "authors"), `answer`, `authors` (what they have to add) and `from` (list of files).
    """
    rows = []
    for part in read_checklist():
        for item in part["items"]:
            answer = ANSWERS[item["answer"]](results) if "answer" in item else ""
            authors = item.get("authors", "")
            known = "answered" if answer and not authors else "in part"
            rows.append({
                "id": item["id"], "part": part["part"], "asks": item["asks"], "tripod": item["tripod"],
                "claim": item["claim"], "valverde": item.get("valverde", ""),
                "state": known if answer else "authors" if authors else "not answered",
                "answer": answer or ("" if authors else NOT_KNOWN), "authors": authors, "from": item.get("from", []),
            })  # fmt: skip
    return rows


def fill_page(rows):
    """Return the values of `checklist.html.j2`."""
    states = Counter(row["state"] for row in rows)
    names = {"tripod": "TRIPOD+AI", "claim": "CLAIM", "valverde": "Valverde"}
    shown = []
    for place, row in enumerate(rows):
        numbers = "; ".join(f"{name} {row[key]}" for key, name in names.items() if row[key])
        # what is long is a list
        lines = row["answer"].split("; ")
        shown.append(row | {"place": place, "numbers": numbers, "lines": lines if len(lines) > LISTED else []})
    return {"rows": shown, "counts": {state: states[state] for state in STATES}}


def verify_checklist(path, results):
    """Check that a written checklist says what the files of the run say.

    Parameters
    ----------
    path : str or Path
        A `checklist.json`.
    results : results.Results

    Returns
    -------
    str
        What to tell whoever asked.

    Raises
    ------
    EditedError
        With every item that differs, or if it is no checklist.
    """
    try:
        written = read_json(path)["items"]
        differences = list_differences(written, fill_checklist(results))
    except (ValueError, KeyError, TypeError, AttributeError) as mistake:
        raise EditedError(f"{path} is no checklist any more ({mistake}); write the report again") from None
    if differences:
        told = "\n  ".join(differences)
        raise EditedError(
            f"{path} was changed after it was written, or the run was:\n  {told}\nWrite the report again."
        )
    return f"{path}: {len(written)} items, each says what the files of the run say"


def list_differences(written, recomputed):
    """Compare a checklist with what the files of the run say now.

    Parameters
    ----------
    written, recomputed : list of dict
        Rows of `fill_checklist`.

    Returns
    -------
    list of str
        A line for each item that differs, is missing, or is asked by nobody; empty if all agree.
    """
    now, lines = {row["id"]: row for row in recomputed}, []
    seen = [row.get("id") for row in written]
    for row in written:
        if row.get("id") not in now:
            lines.append(f"{row.get('id')}: nobody asks this")
        else:
            truth = now[row["id"]]
            fields = [key for key in {**truth, **row} if row.get(key) != truth.get(key)]
            lines += [f"{row['id']}, {key}: says {row.get(key)!r}, the run says {truth.get(key)!r}" for key in fields]
    lines += [f"{key}: is missing" for key in now if key not in seen]
    return lines + [f"{key}: is there {count} times" for key, count in Counter(seen).items() if count > 1]


STATES = ("answered", "in part", "authors", "not answered")
ANSWERS = checklist_study.ANSWERS | checklist_networks.ANSWERS | checklist_evaluation.ANSWERS
