"""The values of the subjects' pages, and of their table."""

from neurograft import candidate_chapters, chapters, guidance, summaries, wording
from neurograft.summaries import number, yes

FIXED = ("participant_id", "included", "reason", "sequences", "labels", "site", "scheme")


def list_rows(run):
    """Give the rows of the table of subjects.

    Returns
    -------
    dict
        `rows`, and `extra`, the cohort's own columns.
    """
    cohort = run["cohort"]
    by_subject = {str(row["subject"]): row for row in run["quality"]}
    dice = summaries.delivered_means(run["scores"], run["strategy"], run["source"])
    extra = [column for column in dict.fromkeys(key for row in cohort for key in row) if column not in FIXED]
    rows = []
    for row in cohort:
        subject = str(row["participant_id"])
        own = by_subject.get(subject, {})
        notes = [str(row.get("reason") or ""), summaries.tell_flags(own)]
        rows.append({
            "subject": subject, "included": yes(row["included"]), "site": row.get("site") or "",
            "sequences": row.get("sequences") or "", "labels": yes(row.get("labels")),
            "dice": chapters.short(dice.get(subject)),
            "outlier": str(own.get("outlier") or "").lower() not in ("", "false"),
            "notes": "; ".join(note for note in notes if note), "extra": [row.get(column) or "" for column in extra],
        })  # fmt: skip
    return {"rows": rows, "extra": extra}


def fill_pages(run):
    """Give the values of each subject's page (`subject.html.j2`), in the cohort's order; `run` as in `fill_index`."""
    scores, pages, pictures, tasks = run["scores"], run["pages"], run["pictures"], run["splits"].get("tasks", {})
    common = {name: run[name] for name in ("title", "simulated", "version")}
    own_quality = {str(row["subject"]): row for row in run["quality"]}
    own_scores = {}
    for task, region, metric in summaries.measures(scores):
        for key, found in summaries.patient_means(scores, task, region, metric).items():
            for subject, value in found.items():
                own_scores.setdefault(subject, {}).setdefault(key, {})[chapters.name_measure(region, metric)] = value
    names, incomplete = list(pages), wording.list_incomplete(run["splits"])
    for number_, row in enumerate(run["cohort"]):
        subject = str(row["participant_id"])
        measured = own_quality.get(subject, {})
        scored = own_scores.get(subject, {})
        heads = list(dict.fromkeys(head for found in scored.values() for head in found))
        record = run["candidates"].get(subject, {})
        yield common | {
            "subject": subject, "page": pages[subject], "row": row, "included": yes(row["included"]),
            "facts": [(key, row[key]) for key in row if key not in FIXED[:3] and row[key] not in ("", None)],
            "before": pages[names[number_ - 1]] if number_ else "",
            "after": pages[names[number_ + 1]] if number_ + 1 < len(names) else "",
            "pictures": [(path, *guidance.PICTURES[name]) for name, path in pictures.get(subject, {}).items()],
            "measured": [
                (guidance.name_quality(key), guidance.quality_words(key), chapters.short(measured[key], 2),
                 summaries.is_outlier(measured, key))
                for key in summaries.quality_measures([measured])
            ],
            **{key: str(measured.get(key) or "") for key in ("flags", "look")}, "seen": subject in run["seen"],
            "left_out": [(task, known["left_out"][subject]) for task, known in tasks.items()
                         if subject in known.get("left_out", {})],
            "incomplete": [(one["task"], one["words"]) for one in incomplete if one["subject"] == subject],
            "heads": [(head, "number") for head in heads],
            "scored": [
                [key[0], wording.arm({"source": key[1], "strategy": key[2]}), key[3],
                 *(chapters.short(scored[key].get(head)) for head in heads)]
                for key in sorted(scored, key=summaries.arm_order)
            ],
            "oracle": number(record.get("oracle_dice")),
            "recall": sorted(candidate_chapters.read_recall(record).items()),
            "look_here": candidate_chapters.list_first(record),
        }  # fmt: skip
