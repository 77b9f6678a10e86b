"""The report: a folder of pages that opens anywhere, without a network and without scripts."""

import re
import shutil
from functools import partial
from pathlib import Path

import jinja2

from neurograft.core import files, tables
from neurograft.report import guidance, sentences, summaries
from neurograft.report.chapters import candidates, claims, experiment, methods, quality, transfer
from neurograft.report.chapters.pictures import tell_images

TITLE = "Does transfer learning help these patients?"
MOST_POINTS = 2000
MOST_LISTED = 100
TEMPLATES = Path(__file__).parent / "templates"


def write_report(folder, cohort, config=None, simulated=False, title=TITLE, templates=TEMPLATES, **results):
    """Write the report, whole or not at all: index.html, quality.html, a page a subject, their pictures, claims.tsv.

    Tables are lists of dicts; numbers may be text, as read from a TSV, and may be missing.

    Parameters
    ----------
    folder : str or Path
        The report's folder; replaced if it exists.
    cohort : list of dict
        Rows of `results/cohort.tsv`.
    config : dict
        The resolved config, for the methods paragraph and the delivered strategy.
    simulated : bool
        Say on every page that the patients are simulated.
    title : str
    templates : str or Path
        Folder of the Jinja templates.
    **results
        What there is of `RESULTS`.

    Raises
    ------
    ValueError
        If two subjects would share a page.
    TypeError
        On results that the report does not know.
    """
    unknown = ", ".join(sorted(set(results) - set(RESULTS)))
    if unknown:
        raise TypeError(f"the report has no place for {unknown}; it knows {', '.join(RESULTS)}")
    run = {name: results.get(name) or empty for name, empty in RESULTS.items()}
    run |= {"cohort": cohort, "config": config or {}, "simulated": simulated, "title": title}
    # thousands of pictures have no pages of their own
    paged = [] if run["imported"] else [row["participant_id"] for row in cohort]
    run |= {"pages": _name_pages(paged), "sources": list(run["sources"])}
    run |= {"version": run["versions"].get("neurograft", ""), "claims": claims.list_claims(run)}
    run |= {"everywhere": {name: run[name] for name in ("scores", "comparison")}}
    if run["imported"]:  # a chart shows no more than so many points
        run["quality"] = list(run["quality"])[:: 1 + len(run["quality"]) // MOST_POINTS]
    for name in ("scores", "comparison", "times", "cells"):
        # other spaces and splits answer other questions: their rows must not mix with these
        run[name] = [row for row in run[name] if all(row[key] == value for key, value in run["primary"].items())]
    run |= {"strategy": run["config"].get("deliver", {}).get("strategy", "")}
    # the first source is the delivered one
    run |= {"source": next(iter(run["config"].get("experiment", {}).get("segmentation", {}).get("sources", [])), "")}
    delivered = (run["source"], run["strategy"])
    own = [cell for cell in results.get("cells", ()) if (cell["source"], cell["strategy"]) == delivered]
    run |= {"seen": {subject for cell in own for subject in cell.get("pretrained_on", ())}}
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    with files.whole(folder) as part:
        (part / "figures").mkdir(parents=True)
        run["pictures"] = _copy_pictures(part, run["pictures"], run["pages"])
        copies = run["imported"].get("copies")
        if copies:
            shutil.copyfile(copies, part / "figures/copies.png")
        page = environment.get_template("index.html.j2").render(fill_index(run))
        (part / "index.html").write_text(page, encoding="utf-8")
        page = environment.get_template("quality.html.j2").render(_quality_context(run))
        (part / "quality.html").write_text(page, encoding="utf-8")
        tables.write_table(part / "claims.tsv", run["claims"], claims.COLUMNS)
        template = environment.get_template("subject.html.j2")
        for one in fill_pages(run) if run["pages"] else ():
            (part / one["page"]).write_text(template.render(one), encoding="utf-8")


# what the report shows beside the cohort, and what it takes where there is none
RESULTS = {
    "quality": (),  # rows of quality.tsv: subject, site, numbers, flags, outlier (true, or the columns)
    "intensities": (),  # rows of intensities.tsv
    "splits": {},  # splits.json
    "plan": {},  # plan.json
    "primary": {},  # `space` and `split` that the verdict is about
    "scores": (),  # the tables of results/evaluation
    "comparison": (),
    "again": (),
    "times": (),
    "labels_saved": (),
    "time_saved": (),
    "overfitting": (),
    "generalisation": (),
    "layers": (),
    "features": (),
    "privacy": (),
    "fairness": (),
    "transfer_scores": (),
    "audit": (),
    "error_rates": (),
    "cells": (),  # manifest of each cell, with `history`: the rows of its history.tsv
    "imported": {},  # of a set of pictures: the record of import_images, `copies` the path of its examples
    "contrast": (),  # of a set of pictures: scores of histograms alone
    "candidates": {},  # subject to the record of propose_candidates
    "sources": (),  # rows of config/sources.tsv
    "versions": {},  # software to version
    "runtimes": (),  # rows: rule, jobs, seconds_median, seconds_max, memory_mb
    "pictures": {},  # subject to name (a key of guidance.PICTURES) to the path of a PNG, which is copied
}


def _name_pages(subjects):
    """Give every subject a file name that is safe whatever its label holds."""
    pages = {}
    for subject in subjects:
        page = f"sub-{re.sub(r'[^A-Za-z0-9]', '', str(subject)) or 'unnamed'}.html"
        if page in pages.values():
            raise ValueError(f"two subjects would share the page {page}; rename {subject!r}")
        pages[str(subject)] = page
    return pages


def _copy_pictures(part, pictures, pages):
    """Copy the pictures into the report; give subject to name to relative path."""
    copied = {}
    for subject, own in pictures.items():
        for name in guidance.PICTURES:
            if subject in pages and own.get(name) and Path(own[name]).is_file():
                relative = f"figures/{pages[subject].removesuffix('.html')}_{name}.png"
                shutil.copyfile(own[name], part / relative)
                copied.setdefault(subject, {})[name] = relative
    return copied


def _quality_context(run):
    """Give the values of the page over the cohort."""
    found = quality.fill_page(run["quality"], run["intensities"], run["cohort"], run["pages"])
    kind = {"pictures_only": bool(run["imported"]), "units": "pictures" if run["imported"] else "subjects"}
    return run | found | kind | {"most": MOST_LISTED}


def fill_index(run):
    """Fill every chapter of the index.

    Parameters
    ----------
    run : dict
        What `pages.write_report` has put together.

    Returns
    -------
    dict
        The values of `index.html.j2`.
    """
    config, splits, scores, comparison = (run[name] for name in ("config", "splits", "scores", "comparison"))
    paragraphs, references = methods.write_methods(config, splits, run["version"], run["sources"])
    flow = experiment.tell_flow(run["cohort"], splits)
    pooled = summaries.pool_patients(scores, splits)
    classes = splits.get("tasks", {}).get("classification", {}).get("classes", [])
    told = tell_images(run["imported"], scores, run["contrast"], comparison, classes)
    told |= {"picture": "figures/copies.png" if run["imported"].get("copies") else ""} if told else {}
    found = {
        "images": told,
        "headline": told.get("headline")
        or sentences.headline(comparison, splits, scores, run["cells"], run["simulated"]),
        "flow": flow,
        "quality": quality.tell_quality(run["quality"], run["intensities"]),
        "candidates": candidates.tell_candidates(run["candidates"], run["cells"]),
        "training": experiment.tell_training(run["cells"], run["times"]),
        "results": experiment.tell_results([*pooled, *summaries.pool_patients(run["contrast"], splits)]),
        "comparison": experiment.tell_comparison(comparison),
        "claims": claims.show_claims(run["claims"], pooled),
        "claims_rule": claims.RULE,
        "transfer": transfer.tell_transfer(run, pooled),
        "errors": transfer.tell_errors(run["error_rates"], comparison, splits),
        "again": [sentences.again_sentence(row) for row in run["again"]],
        "reading": guidance.TRANSFER,
        "overlays": experiment.choose_overlays(scores, run["strategy"], run["pictures"], run["source"]),
        "subjects": {} if told else list_rows(run),
        "paragraphs": paragraphs,
        "references": references,
        "runtimes": experiment.tell_runtimes(run["runtimes"]),
        "untrained": sorted({cell.get("reason") or "no reason" for cell in run["cells"] if not cell["trained"]}),
        "splits_hash": splits.get("hash", ""),
    }
    return (
        run
        | found
        | {"tiles": _tiles(flow, pooled, run["strategy"], run["source"], told), "attention": _attention(found)}
    )


def _tiles(flow, scores, strategy, source, told):
    """Choose the few numbers that stand at the top."""
    if told:
        keys = {"found": "files found", "included": "pictures", "units": "pictures and groups of copies"}
        return [(str(told["record"][key]), words) for key, words in keys.items()]
    tiles = [
        (str(flow["found"]), "subjects found"),
        (str(flow["included"]), "included"),
        (str(flow["labelled"]), "with labels"),
    ]
    own = summaries.delivered_means(scores, strategy, source)
    if own:
        found = summaries.mean_interval(own.values())
        tiles.append((f"{found['mean']:.3f}", f"mean whole-tumour Dice of {strategy}, unseen patients"))
    return tiles


def _attention(found):
    """List what a reader should look at first, each with the chapter that shows it."""
    listed, some = [], partial(sentences.some, most=6)
    excluded, marked = found["flow"]["excluded"], found["quality"]["marked"]
    if excluded:
        listed.append(("flow", f"{len(excluded)} excluded: {some(row['participant_id'] for row in excluded)}"))
    if marked:
        listed.append(
            ("quality", f"{len(marked)} to look at in quality control: {some(row['subject'] for row in marked)}")
        )
    if found["flow"]["left_out"]:
        names = {row["subject"]: None for row in found["flow"]["left_out"]}
        listed.append(("flow", f"{len(names)} kept out of training: {some(names)}"))
    if found["flow"]["incomplete"]:
        names = {row["subject"]: None for row in found["flow"]["incomplete"]}
        listed.append(("flow", f"{len(names)} lack a sequence that the networks take: {some(names)}"))
    if found["candidates"]["flags"]:
        listed.append(("candidates", f"candidates flagged: {some(found['candidates']['flags'])}"))
    if found["training"]["falling"]:
        listed.append(("training", f"{len(found['training']['falling'])} trainings had not converged"))
    return listed + [("training", f"cells not trained: {reason}") for reason in found["untrained"]]


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
            "subject": subject, "included": tables.parse_boolean(row["included"]), "site": row.get("site") or "",
            "sequences": row.get("sequences") or "", "labels": tables.parse_boolean(row.get("labels")),
            "dice": experiment.short(dice.get(subject)),
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
                own_scores.setdefault(subject, {}).setdefault(key, {})[experiment.name_measure(region, metric)] = value
    names, incomplete = list(pages), sentences.list_incomplete(run["splits"])
    for number_, row in enumerate(run["cohort"]):
        subject = str(row["participant_id"])
        measured = own_quality.get(subject, {})
        scored = own_scores.get(subject, {})
        heads = list(dict.fromkeys(head for found in scored.values() for head in found))
        record = run["candidates"].get(subject, {})
        yield common | {
            "subject": subject, "page": pages[subject], "row": row, "included": tables.parse_boolean(row["included"]),
            "facts": [(key, row[key]) for key in row if key not in FIXED[:3] and row[key] not in ("", None)],
            "before": pages[names[number_ - 1]] if number_ else "",
            "after": pages[names[number_ + 1]] if number_ + 1 < len(names) else "",
            "pictures": [(path, *guidance.PICTURES[name]) for name, path in pictures.get(subject, {}).items()],
            "measured": [
                (guidance.name_quality(key), guidance.quality_words(key), experiment.short(measured[key], 2),
                 summaries.is_outlier(measured, key))
                for key in summaries.quality_measures([measured])
            ],
            **{key: str(measured.get(key) or "") for key in ("flags", "look")}, "seen": subject in run["seen"],
            "left_out": [(task, known["left_out"][subject]) for task, known in tasks.items()
                         if subject in known.get("left_out", {})],
            "incomplete": [(one["task"], one["words"]) for one in incomplete if one["subject"] == subject],
            "heads": [(head, "number") for head in heads],
            "scored": [
                [key[0], sentences.name_arm({"source": key[1], "strategy": key[2]}), key[3],
                 *(experiment.short(scored[key].get(head)) for head in heads)]
                for key in sorted(scored, key=summaries.arm_order)
            ],
            "oracle": tables.parse_number(record.get("oracle_dice")),
            "recall": sorted(candidates.read_recall(record).items()),
            "look_here": candidates.list_first(record),
        }  # fmt: skip
