"""Group quality control: what the index says of it in short, and the page over the whole cohort."""

from neurograft.core.tables import number, yes
from neurograft.preprocessing import quality_table
from neurograft.report import guidance, summaries
from neurograft.report.charts import quality

DIGITS = {"volume_ml": 0, "signal_to_noise": 1, "contrast_to_noise": 1}


def tell_quality(rows, intensities=()):
    """Say in short who was measured, who stands out, and whether sites differ.

    Parameters
    ----------
    rows : list of dict
        Of `quality.tsv`.
    intensities : list of dict
        Of `intensities.tsv`.

    Returns
    -------
    dict
        `subjects`, `marked` (`subject`, `flags`, `outlier` in words), `sites` (sentences).
    """
    columns = summaries.quality_measures(rows)
    marked = []
    for row in rows:
        odd = [guidance.name_quality(column) for column in columns if summaries.is_outlier(row, column)]
        flags = summaries.tell_flags(row)
        if odd or flags:
            marked.append({"subject": row["subject"], "flags": flags, "outlier": "; ".join(odd)})
    return {"subjects": len(rows) if columns else 0, "marked": marked, "sites": _tell_sites(intensities)}


def _tell_sites(intensities):
    """Say for each sequence how much of the differences goes with the site, before and after."""
    sentences = []
    for one in quality_table.compare_sites(intensities):
        largest = {}
        for when in quality_table.WHEN:
            known = [(found[when], name) for name, found in one["effects"].items() if found[when] is not None]
            if known:
                value, name = max(known, key=lambda pair: pair[0])
                largest[when] = f"{100 * value:.0f} % ({name})"
        if largest:
            before, after = (f"at most {largest[when]}" if when in largest else "none" for when in quality_table.WHEN)
            sentences.append(
                f"{guidance.read_guidance().images[one['sequence']]}: {before} before, {after} after normalisation"
            )
    return sentences


def fill_page(rows, intensities, cohort, pages):
    """Give the values of the page over the cohort.

    Parameters
    ----------
    rows, intensities, cohort : list of dict
        Of `quality.tsv`, `intensities.tsv` and `cohort.tsv`.
    pages : dict of str to str
        Subject to page.

    Returns
    -------
    dict
        `panels` (a measure each, with words and `strips`: part and chart), `sites` (a sequence each), `heads` and
        `lines` of the table of all numbers, `excluded` (rows of the cohort), and `quality` of `tell_quality`.
    """
    columns = summaries.quality_measures(rows)
    # empty where the dataset names no sites
    sites = [str(row.get("site") or "") for row in rows]
    sites = [site or quality_table.NOT_STATED for site in sites] if any(sites) else sites
    lanes, panels = quality.choose_lanes(sites), {}
    for column in columns:
        points = [
            {"subject": str(row["subject"]), "site": site, "value": number(row[column]),
             "outlier": summaries.is_outlier(row, column), "page": pages.get(str(row["subject"]), "")}
            for row, site in zip(rows, sites, strict=True)
            if number(row.get(column)) is not None
        ]  # fmt: skip
        words, limits = (
            guidance.quality_words(column),
            quality_table.robust_limits([point["value"] for point in points]),
        )
        strip = quality.draw_lanes(points, lanes, limits, _digits(column), words["unit"])
        panels.setdefault(words["title"], words | {"strips": []})["strips"].append((words["part"], strip))
    return {
        "panels": list(panels.values()),
        "sites": [_compare(one) for one in quality_table.compare_sites(intensities)],
        "excluded": [row for row in cohort if not yes(row["included"])],
        "quality": tell_quality(rows, intensities),
    } | _list_numbers(rows, columns, pages)


def _digits(column):
    return next((digits for start, digits in DIGITS.items() if column.startswith(start)), 2)


def _compare(one):
    """Give charts and effects of one sequence's sites."""
    charts = {}
    for when in quality_table.WHEN:
        found = [(row["site"], row[when], _describe(row, when)) for row in one["sites"]]
        charts[when] = quality.draw_boxes(found[: quality.MOST_LANES])
    effects = [
        [name, *("–" if found[when] is None else f"{found[when]:.2f}" for when in quality_table.WHEN)]
        for name, found in one["effects"].items()
    ]
    numbers = [
        [row["site"], row["patients"]]
        + [f"{value:.4g}" for when in quality_table.WHEN for value in (row[when][2], row[when][3] - row[when][1])]
        for row in one["sites"]
    ]
    return {
        "sequence": guidance.read_guidance().images[one["sequence"]],
        "effects": effects,
        "numbers": numbers,
    } | charts


def _describe(row, when):
    """Say a site's percentiles in words."""
    _, low, middle, high, _ = row[when]
    return f"{row['site']}: median {middle:.4g}, middle half {low:.4g} to {high:.4g}, {row['patients']} patients"


def _list_numbers(rows, columns, pages):
    """Give the table of all numbers, each line with its place in the order of every column.

    The page sorts without a script: a line's place among its likes is a style that a click makes the order.
    """
    heads = ["subject", "site", "stands out in", *(guidance.name_quality(column) for column in columns)]
    keys = []
    for row in rows:
        odd = sum(summaries.is_outlier(row, column) for column in columns)
        keys.append([str(row["subject"]), str(row.get("site") or ""), odd, *(number(row.get(c)) for c in columns)])
    places = [_rank([key[at] for key in keys]) for at in range(len(heads))]
    lines = []
    for at, (row, key) in enumerate(zip(rows, keys, strict=True)):
        style = ";".join(f"--c{column}:{ranks[at]}" for column, ranks in enumerate(places) if ranks[at] is not None)
        cells = [
            ("–" if value is None else f"{value:.{_digits(column)}f}", summaries.is_outlier(row, column))
            for column, value in zip(columns, key[3:], strict=True)
        ]
        line = {"subject": key[0], "site": key[1], "odd": key[2], "cells": cells, "style": style}
        lines.append(line | {"page": pages.get(key[0], ""), "flags": summaries.tell_flags(row)})
    return {"heads": heads, "lines": lines}


def _rank(values):
    """Give each value its place among the others, None to none; equal values share a place."""
    known = {value: place for place, value in enumerate(sorted({value for value in values if value is not None}), 1)}
    return [None if value is None else known[value] for value in values]
