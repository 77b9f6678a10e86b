"""What the leak guard found, on the report's first screen and in its chapter: same heads, and sources that saw them."""

import math

import numpy as np

from neurograft.core.tables import parse_boolean, parse_number
from neurograft.report import summaries
from neurograft.report.sentences import format_number, join_names

MOST = 30  # pairs that are listed


def caution_sentences(results):
    """List what the first screen has to say of leaks and of sources that have seen the patients.

    Parameters
    ----------
    results : results.Results

    Returns
    -------
    list of str
        Empty if all is well.
    """
    sentences = []
    leaks = [leak for leak in results.guard.get("leaks", ()) if parse_boolean(leak["leak"])]
    if leaks:
        words = f"{len(leaks)} pair{'s' * (len(leaks) > 1)} of subjects show the same head under two names (allow_leak)"
        sentences.append(f"These scores are too good: {words}.{describe_inflation(results)}")
    seen = [row["source"] for row in results.guard.get("sources", ()) if row["verdict"] == "contaminated"]
    used = {str(row["source"]) for row in results.comparison}
    seen = [name for name in seen if name in used]
    if seen and parse_boolean(results.config.get("allow_contaminated", False)):
        sentences.append(
            "Sources that have seen these patients in pretraining are judged nevertheless (allow_contaminated): "
            f"{join_names(seen)}. Their gains say nothing about new patients."
        )
    elif seen:
        sentences.append(f"Shown without a verdict, for having seen these patients in pretraining: {join_names(seen)}.")
    return sentences


def describe_inflation(results):
    """Say how the scores of patients with a copy differ from those of the others, where both were scored.

    Returns
    -------
    str
        A sentence after a blank, or nothing.
    """
    copied = set()
    for leak in results.guard.get("leaks", ()):
        if parse_boolean(leak["leak"]):
            # scores are of subjects, or of patients where these have several
            copied |= {leak[f"{one}{of}"] for one in ("first", "second") for of in ("", "_patient")}
    if not results.scores or not copied:
        return ""
    task, region, metric = summaries.main_measure(results.scores)
    differences = []
    for values in summaries.patient_means(results.scores, task, region, metric).values():
        with_copy = [value for patient, value in values.items() if patient in copied]
        others = [value for patient, value in values.items() if patient not in copied]
        if with_copy and others:
            differences.append(float(np.mean(with_copy) - np.mean(others)))
    differences = [value for value in differences if math.isfinite(value)]
    if not differences:
        return ""
    spread = f" ({format_number(min(differences), signed=True)} to {format_number(max(differences), signed=True)})"
    arms = f"the mean of {len(differences)} arms{spread}" if len(differences) > 1 else "with the only arm"
    mean = format_number(np.mean(differences), signed=True)
    return (
        f" Patients with a copy differ from the others by {mean} in {metric}, {arms}; such patients may also be easier "
        "or harder."
    )


def describe_memory(results, source):
    """Say what the test of a source itself found: whether it segments these patients as if it had trained on them.

    Parameters
    ----------
    results : results.Results
    source : str

    Returns
    -------
    str
    """
    row = next((row for row in results.membership if row["source"] == source), None)
    if row is None:
        return "not tested: it has no head of the task"
    if row["outcome"] == "not tested":
        return f"not tested: {row['reason']}"
    own, seen, unseen = (format_number(parse_number(row[name]), 3) for name in ("loss", "seen", "unseen"))
    facts = f"loss {own}; {row['reference']} {seen} on its training patients, {unseen} on others"
    words = f"{row['outcome']}: {row['reason']} ({facts}; {row['patients']} patients)"
    also = ". A source that is much better than these networks looks the same"
    return words + also * (row["outcome"] == "suspected")


def fill_chapter(results):
    """Return the values of the chapter: pairs, sources, and what was looked at.

    Parameters
    ----------
    results : results.Results

    Returns
    -------
    dict
        `looked` (a sentence, "" if the guard did not run), `leaks`, `sources` and `known` (rows of a table), `more`
        (pairs that are not listed).
    """
    guard, used = results.guard, {row["name"] for row in results.sources}
    leaks = guard.get("leaks", ())
    rows = [
        [
            leak["words"], "leak" if parse_boolean(leak["leak"]) else "harmless",
            format_number(parse_number(leak["likeness"]) or math.nan, 2), leak["agreeing"],
        ]
        for leak in leaks[:MOST]
    ]  # fmt: skip
    by_release = {}
    for subject, found in guard.get("known", {}).items():
        for one in found:
            by_release.setdefault((one["release"], one["by"]), []).append(subject)
    return {
        "looked": f"{guard['subjects']} subjects were compared with each other." if guard else "",
        "leaks": rows,
        "more": max(0, len(leaks) - MOST),
        "sources": [
            [row["source"], row["seen"], row["verdict"], row["reason"], describe_memory(results, row["source"])]
            for row in guard.get("sources", ())
            if not used or row["source"] in used
        ],
        "known": [f"{len(who)} of {release}, by {by}" for (release, by), who in sorted(by_release.items())],
    }
