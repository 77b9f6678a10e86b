"""The report: a folder of pages that opens anywhere, without a network and, but for the 3-D viewer, without scripts."""

import re
import shutil
from functools import partial
from pathlib import Path

import jinja2

from neurograft.core import files, tables
from neurograft.core.prepared import is_prepared, proposes_candidates
from neurograft.report import answer, guidance, sentences, summaries, viewer
from neurograft.report.chapters import (
    candidates,
    checklist,
    claims,
    experiment,
    masks,
    methods,
    quality,
    replay,
    transfer,
    trust,
)
from neurograft.report.chapters.pictures import describe_images

MOST_POINTS = 2000
MOST_LISTED = 100
TEMPLATES = Path(__file__).parent / "templates"
# columns of the cohort table that have a place of their own
FIXED = ("participant_id", "included", "reason", "sequences", "labels", "site", "scheme")


def write_report(folder, results, templates=TEMPLATES):
    """Write the report: index.html and all other pages, figures, 3-D viewers, claims.tsv and checklist.json.

    Parameters
    ----------
    folder : str or Path
        The report's folder; replaced as a whole if it exists, and left alone if anything fails.
    results : results.Results
    templates : str or Path
        Folder of the Jinja templates.

    Raises
    ------
    ValueError
        If two subjects would share a page.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pages = name_pages(results)
    listed = claims.list_claims(results)
    with files.whole(folder) as part:
        (part / "figures").mkdir(parents=True)
        pictures = _copy_pictures(part, results, pages)
        viewers, problem = viewer.copy_viewer(part, templates, results.volumes, pages)

        def write(template, page, values):
            text = environment.get_template(template).render(_frame(results) | values)
            (part / page).write_text(text, encoding="utf-8")

        turned = {subject: seen["page"] for subject, seen in viewers.items()}
        write("index.html.j2", "index.html", fill_index(results, pages, pictures, listed) | {"viewers": turned})
        write("quality.html.j2", "quality.html", fill_quality(results, pages))
        if results.check:
            write("check.html.j2", "check.html", fill_check(results.check) | {"pages": pages, "most": MOST_LISTED})
        rows = checklist.fill_checklist(results)
        write("checklist.html.j2", "checklist.html", checklist.fill_page(rows))
        files.write_json(part / checklist.FILE, {"neurograft": results.version, "items": rows})
        for values in fill_pages(results, pages, pictures) if pages else ():
            seen = viewers.get(values["subject"], {})
            write("subject.html.j2", values["page"], values | {"viewer": seen, "viewer_problem": problem})
            if seen:
                write("viewer.html.j2", seen["page"], values | seen | {"page": values["page"]})
        tables.write_table(part / "claims.tsv", listed, claims.COLUMNS)


def name_pages(results):
    """Assign each subject a file name that is safe whatever characters its label holds.

    Returns
    -------
    dict of str to str
        Subject to file name; empty for a set of 2-D pictures, whose thousands of items have no pages of their own.
    """
    pages = {}
    for subject in [] if results.imported else [str(row["participant_id"]) for row in results.cohort]:
        page = f"sub-{re.sub(r'[^A-Za-z0-9]', '', subject) or 'unnamed'}.html"
        if page in pages.values():
            raise ValueError(f"two subjects would share the page {page}; rename {subject!r}")
        pages[subject] = page
    return pages


def _copy_pictures(part, results, pages):
    """Copy the figures into the report, and return subject to figure to relative path."""
    copied = {}
    for subject, figures in results.pictures.items():
        for name in guidance.read_guidance().pictures:
            if subject in pages and figures.get(name) and Path(figures[name]).is_file():
                relative = f"figures/{pages[subject].removesuffix('.html')}_{name}.png"
                shutil.copyfile(figures[name], part / relative)
                copied.setdefault(subject, {})[name] = relative
    if results.imported.get("copies"):
        shutil.copyfile(results.imported["copies"], part / "figures/copies.png")
    return copied


def _frame(results):
    """Return what every page shows: the title, whether the patients are simulated, the version."""
    return {"title": results.title, "simulated": results.simulated, "version": results.version}


def _thin_quality(results):
    """Return the rows of the quality table, of a large set of pictures only so many as a chart can show."""
    rows = results.quality
    return list(rows)[:: 1 + len(rows) // MOST_POINTS] if results.imported else rows


def fill_quality(results, pages):
    """Return the values of `quality.html.j2`."""
    values = quality.fill_page(_thin_quality(results), results.intensities, results.cohort, pages)
    units = "pictures" if results.imported else "subjects"
    return values | {"pages": pages, "pictures_only": bool(results.imported), "units": units, "most": MOST_LISTED}


def fill_check(check):
    """Return the values of `check.html.j2`: the survey, with the rows of its two tables."""
    unused = [[row[key] for key in ("count", "pattern", "advice", "example")] for row in check["unused"]]
    files = [
        [
            row["subject"],
            file["kind"],
            file["file"],
            file["shape"],
            file["size_mm"],
        ]
        for row in check["subjects"]
        for file in row["files"]
    ]
    return {"check": check | {"unused_rows": unused, "file_rows": files}}


def fill_index(results, pages, pictures, listed):
    """Return the values of `index.html.j2`.

    Parameters
    ----------
    results : results.Results
    pages : dict of str to str
        Subject to page, from `name_pages`.
    pictures : dict of str to dict
        Subject to figure to path inside the report.
    listed : list of dict
        Rows of `claims.list_claims`.

    Returns
    -------
    dict
    """
    main, splits = results.main, results.splits
    paragraphs, references = methods.write_methods(results.config, splits, results.version, results.sources)
    pooled = summaries.pool_patients(main.scores, splits)
    classes = splits.get("tasks", {}).get("classification", {}).get("classes", [])
    images = describe_images(results.imported, main.scores, results.contrast, main.comparison, classes)
    images |= {"picture": "figures/copies.png" if results.imported.get("copies") else ""} if images else {}
    chapters = {
        "checked": bool(results.check),
        "images": images,
        "headline": answer.answer(main),
        "flow": experiment.describe_flow(results.cohort, splits),
        "trust": trust.fill_chapter(results),
        "quality": quality.describe_quality(_thin_quality(results), results.intensities),
        "candidates": candidates.describe_candidates(results.candidates, main.cells),
        "training": experiment.describe_training(main.cells, main.times),
        "results": experiment.describe_results([*pooled, *summaries.pool_patients(results.contrast, splits)]),
        "comparison": experiment.describe_comparison(main.comparison),
        "claims": claims.show_claims(listed, pooled),
        "claims_rule": claims.RULE,
        "transfer": transfer.describe_transfer(results, pooled),
        "replay": replay.describe_replay(results),
        "errors": transfer.describe_errors(results.error_rates, main.comparison, splits),
        "again": [sentences.again_sentence(row) for row in results.again],
        "reading": guidance.read_guidance().transfer,
        "overlays": experiment.choose_overlays(main.scores, results.strategy, pictures, results.source),
        "masks": masks.describe_masks(results),
        "subjects": {} if images else list_rows(results),
        "paragraphs": paragraphs,
        "references": references,
        "runtimes": experiment.describe_runtimes(results.runtimes),
        "untrained": sorted({cell.get("reason") or "no reason" for cell in main.cells if not cell["trained"]}),
        "notes": sentences.list_notes(main.cells),
        "splits_hash": splits.get("hash", ""),
    }
    facts = {name: getattr(results, name) for name in ("plan", "primary", "sources", "versions", "strategy")}
    facts |= {"whole": results.whole, "own_labels": results.own_labels}
    facts |= {"proposed": proposes_candidates(results.config)}
    top = {"tiles": _tiles(results, chapters, pooled), "attention": _attention(chapters)}
    return facts | chapters | top | {"pages": pages, "pictures": pictures}


def _tiles(results, chapters, pooled):
    """List the few numbers that stand at the top."""
    images, flow = chapters["images"], chapters["flow"]
    if images:
        keys = {"found": "files found", "included": "pictures", "units": "pictures and groups of copies"}
        return [(str(images["record"][key]), words) for key, words in keys.items()]
    tiles = [
        (str(flow["found"]), "subjects found"),
        (str(flow["included"]), "included"),
        (str(flow["labelled"]), "with labels"),
    ]
    dice = summaries.delivered_means(pooled, results.strategy, results.source)
    if dice:
        mean = summaries.mean_interval(dice.values(), summaries.SHARE)["mean"]
        tiles.append(
            (sentences.format_number(mean), f"mean {results.whole} Dice of {results.strategy}, unseen patients")
        )
    return tiles


def _attention(chapters):
    """List what a reader should look at first, each with the chapter that shows it."""
    listed, join = [], partial(sentences.join_names, most=6)
    flow, marked = chapters["flow"], chapters["quality"]["marked"]
    if flow["excluded"]:
        listed.append(
            ("flow", f"{len(flow['excluded'])} excluded: {join(row['participant_id'] for row in flow['excluded'])}")
        )
    if marked:
        listed.append(
            ("quality", f"{len(marked)} to look at in quality control: {join(row['subject'] for row in marked)}")
        )
    if flow["left_out"]:
        names = {row["subject"]: None for row in flow["left_out"]}
        listed.append(("flow", f"{len(names)} kept out of training: {join(names)}"))
    if flow["incomplete"]:
        names = {row["subject"]: None for row in flow["incomplete"]}
        listed.append(("flow", f"{len(names)} without a sequence that the networks use: {join(names)}"))
    if chapters["candidates"]["flags"]:
        listed.append(("candidates", f"candidates flagged: {join(chapters['candidates']['flags'])}"))
    doubtful = chapters["masks"]["doubtful"]
    if doubtful:
        count = f"{len(doubtful)} mask{'s' * (len(doubtful) > 1)} without a label"
        listed.append(("masks", f"{count} to look at before use: {join(doubtful)}"))
    if chapters["training"]["falling"]:
        count = len(chapters["training"]["falling"])
        listed.append(("training", f"{count} training{'s' * (count > 1)} had not converged"))
    listed += [("comparison", note) for note in chapters["notes"]]
    return listed + [("training", f"networks not trained: {reason}") for reason in chapters["untrained"]]


def list_rows(results):
    """List the rows of the table of subjects.

    Returns
    -------
    dict
        `rows`, and `extra`, the cohort's own columns.
    """
    by_subject = {str(row["subject"]): row for row in results.quality}
    dice = summaries.delivered_means(results.main.scores, results.strategy, results.source)
    columns = dict.fromkeys(column for row in results.cohort for column in row)
    extra = [column for column in columns if column not in FIXED]
    rows = []
    for row in results.cohort:
        subject = str(row["participant_id"])
        measured = by_subject.get(subject, {})
        notes = [str(row.get("reason") or ""), summaries.describe_flags(measured)]
        rows.append({
            "subject": subject, "included": tables.parse_boolean(row["included"]), "site": row.get("site") or "",
            "sequences": row.get("sequences") or "", "labels": tables.parse_boolean(row.get("labels")),
            "dice": sentences.format_number(dice.get(subject)),
            "outlier": str(measured.get("outlier") or "").lower() not in ("", "false"),
            "notes": "; ".join(note for note in notes if note), "extra": [row.get(column) or "" for column in extra],
        })  # fmt: skip
    return {"rows": rows, "extra": extra}


def fill_pages(results, pages, pictures):
    """Yield the values of each subject's page (`subject.html.j2`), in the cohort's order; arguments of `fill_index`."""
    tasks = results.splits.get("tasks", {})
    quality_rows = {str(row["subject"]): row for row in results.quality}
    scores, incomplete = _scores_by_subject(results.main.scores), sentences.list_incomplete(results.splits)
    names, figures = list(pages), guidance.choose_pictures(is_prepared(results.config), results.own_labels)
    for at, row in enumerate(results.cohort):
        subject = str(row["participant_id"])
        measured, scored = quality_rows.get(subject, {}), scores.get(subject, {})
        heads = list(dict.fromkeys(head for values in scored.values() for head in values))
        record = results.candidates.get(subject, {})
        yield {
            "subject": subject, "page": pages[subject], "row": row, "included": tables.parse_boolean(row["included"]),
            "facts": [(key, row[key]) for key in row if key not in FIXED[:3] and row[key] not in ("", None)],
            "before": pages[names[at - 1]] if at else "",
            "after": pages[names[at + 1]] if at + 1 < len(names) else "",
            "pictures": [(path, figures[name]) for name, path in pictures.get(subject, {}).items()],
            "measured": [
                (guidance.name_quality(key), guidance.quality_words(key), sentences.format_number(measured[key], 2),
                 summaries.is_outlier(measured, key))
                for key in summaries.quality_measures([measured])
            ],
            **{key: str(measured.get(key) or "") for key in ("flags", "look")},
            "believed": masks.describe_subject(results, subject),
            "label_doubt": masks.tell_subject_label(results, subject),
            "masked": _is_masked(tasks.get("segmentation", {}), subject),
            "seen": subject in results.main.seen_in_pretraining,
            "left_out": [(task, split["left_out"][subject]) for task, split in tasks.items()
                         if subject in split.get("left_out", {})],
            "incomplete": [(lack["task"], lack["words"]) for lack in incomplete if lack["subject"] == subject],
            "heads": [(head, "number") for head in heads],
            "scored": [
                [key[0], sentences.name_arm({"source": key[1], "strategy": key[2]}), key[3],
                 *(sentences.format_number(scored[key].get(head)) for head in heads)]
                for key in sorted(scored, key=summaries.arm_order)
            ],
            "oracle": tables.parse_number(record.get("oracle_dice")),
            "recall": sorted(candidates.read_recall(record).items()),
            "look_here": candidates.list_first(record),
        }  # fmt: skip


def _is_masked(split, subject):
    """Check whether a subject is kept out of training by a flag, and segmented all the same."""
    return subject in split.get("left_out", {}) and subject in split.get("unlabelled", ())


def _scores_by_subject(scores):
    """Return subject to (task, source, strategy, n) to measure to mean score."""
    by_subject = {}
    for task, region, metric in summaries.measures(scores):
        for key, means in summaries.patient_means(scores, task, region, metric).items():
            for subject, value in means.items():
                values = by_subject.setdefault(subject, {}).setdefault(key, {})
                values[experiment.name_measure(region, metric)] = value
    return by_subject
