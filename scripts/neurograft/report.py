"""The report: a folder of pages that opens anywhere, without a network and without scripts."""

import re
import shutil
from pathlib import Path

import jinja2

from neurograft import claims, guidance, images, index_page, subject_pages, tables
from neurograft import quality_chapters as group

TITLE = "Does transfer learning help these patients?"
MOST_POINTS = 2000
MOST_LISTED = 100
TEMPLATES = Path(__file__).resolve().parents[2] / "workflow" / "report"


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
    with images.whole(folder) as part:
        (part / "figures").mkdir(parents=True)
        run["pictures"] = _copy_pictures(part, run["pictures"], run["pages"])
        copies = run["imported"].get("copies")
        if copies:
            shutil.copyfile(copies, part / "figures/copies.png")
        page = environment.get_template("index.html.j2").render(index_page.fill_index(run))
        (part / "index.html").write_text(page, encoding="utf-8")
        page = environment.get_template("quality.html.j2").render(_quality_context(run))
        (part / "quality.html").write_text(page, encoding="utf-8")
        tables.write_table(part / "claims.tsv", run["claims"], claims.COLUMNS)
        template = environment.get_template("subject.html.j2")
        for one in subject_pages.fill_pages(run) if run["pages"] else ():
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
    found = group.fill_page(run["quality"], run["intensities"], run["cohort"], run["pages"])
    kind = {"pictures_only": bool(run["imported"]), "units": "pictures" if run["imported"] else "subjects"}
    return run | found | kind | {"most": MOST_LISTED}
