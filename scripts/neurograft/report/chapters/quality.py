"""Quality control of the cohort: its summary on the index, and its own page."""

from neurograft.core.tables import parse_boolean, parse_number
from neurograft.preprocessing import quality_table
from neurograft.report import guidance, sentences, summaries
from neurograft.report.charts import quality

DIGITS = {"volume_ml": 0, "signal_to_noise": 1, "contrast_to_noise": 1}


def describe_quality(rows, intensities=()):
    """Summarise who was measured, who stands out, and whether sites differ.

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
        flags = summaries.describe_flags(row)
        if odd or flags:
            marked.append({"subject": row["subject"], "flags": flags, "outlier": "; ".join(odd)})
    return {"subjects": len(rows) if columns else 0, "marked": marked, "sites": _describe_sites(intensities)}


def _describe_sites(intensities):
    """Describe for each sequence how much of the variation is explained by the site, before and after."""
    described = []
    for sequence in quality_table.compare_sites(intensities):
        largest = {}
        for when in quality_table.WHEN:
            effects = [(effect[when], name) for name, effect in sequence["effects"].items() if effect[when] is not None]
            if effects:
                value, name = max(effects, key=lambda pair: pair[0])
                largest[when] = f"{sentences.format_percent(value, 0)} ({name})"
        if largest:
            before, after = (f"at most {largest[when]}" if when in largest else "none" for when in quality_table.WHEN)
            name = guidance.read_guidance().images[sequence["sequence"]]
            described.append(f"{name}: {before} before, {after} after normalisation")
    return described


def fill_page(rows, intensities, cohort, pages):
    """Return the values of the page on the cohort.

    Parameters
    ----------
    rows, intensities, cohort : list of dict
        Of `quality.tsv`, `intensities.tsv` and `cohort.tsv`.
    pages : dict of str to str
        Subject to page.

    Returns
    -------
    dict
        `panels` (one per measure, with words and `strips`: part and chart), `sites` (one per sequence), `heads` and
        `lines` of the table of all numbers, `excluded` (rows of the cohort), and `quality`, from `describe_quality`.
    """
    columns = summaries.quality_measures(rows)
    # empty where the dataset names no sites
    sites = [str(row.get("site") or "") for row in rows]
    sites = [site or quality_table.NOT_STATED for site in sites] if any(sites) else sites
    lanes, panels = quality.choose_lanes(sites), {}
    for column in columns:
        points = [
            {"subject": str(row["subject"]), "site": site, "value": parse_number(row[column]),
             "outlier": summaries.is_outlier(row, column), "page": pages.get(str(row["subject"]), "")}
            for row, site in zip(rows, sites, strict=True)
            if parse_number(row.get(column)) is not None
        ]  # fmt: skip
        words, limits = (
            guidance.quality_words(column),
            quality_table.robust_limits([point["value"] for point in points]),
        )
        strip = quality.draw_lanes(points, lanes, limits, _digits(column), words["unit"])
        panels.setdefault(words["title"], words | {"strips": []})["strips"].append((words["part"], strip))
    return {
        "panels": list(panels.values()),
        "sites": [_compare(sequence) for sequence in quality_table.compare_sites(intensities)],
        "excluded": [row for row in cohort if not parse_boolean(row["included"])],
        "quality": describe_quality(rows, intensities),
    } | _list_numbers(rows, columns, pages)


def _digits(column):
    return next((digits for start, digits in DIGITS.items() if column.startswith(start)), 2)


def _compare(sequence):
    """Return charts and effects of the sites, for one sequence."""
    charts = {}
    for when in quality_table.WHEN:
        boxes = [(row["site"], row[when], _describe(row, when)) for row in sequence["sites"]]
        charts[when] = quality.draw_boxes(boxes[: quality.MOST_LANES])
    effects = [
        [name, *(sentences.format_number(effect[when], 2) for when in quality_table.WHEN)]
        for name, effect in sequence["effects"].items()
    ]
    numbers = [
        [row["site"], row["patients"]]
        + [
            sentences.format_significant(value, 4)
            for when in quality_table.WHEN
            for value in (row[when][2], row[when][3] - row[when][1])
        ]
        for row in sequence["sites"]
    ]
    return {
        "sequence": guidance.read_guidance().images[sequence["sequence"]],
        "effects": effects,
        "numbers": numbers,
    } | charts


def _describe(row, when):
    """Describe the percentiles of a site in words."""
    _, low, middle, high, _ = row[when]
    low, middle, high = (sentences.format_significant(value, 4) for value in (low, middle, high))
    return f"{row['site']}: median {middle}, interquartile range {low} to {high}, {row['patients']} patients"


def _list_numbers(rows, columns, pages):
    """Return the table of all numbers, each line with its rank in every column.

    The page sorts without a script: the rank of a line is a style, and a click makes one of them the order.
    """
    heads = ["subject", "site", "measures with outliers", *(guidance.name_quality(column) for column in columns)]
    keys = []
    for row in rows:
        odd = sum(summaries.is_outlier(row, column) for column in columns)
        keys.append(
            [str(row["subject"]), str(row.get("site") or ""), odd, *(parse_number(row.get(c)) for c in columns)]
        )
    places = [_rank([key[at] for key in keys]) for at in range(len(heads))]
    lines = []
    for at, (row, key) in enumerate(zip(rows, keys, strict=True)):
        style = ";".join(f"--c{column}:{ranks[at]}" for column, ranks in enumerate(places) if ranks[at] is not None)
        cells = [
            (sentences.format_number(value, _digits(column)), summaries.is_outlier(row, column))
            for column, value in zip(columns, key[3:], strict=True)
        ]
        line = {"subject": key[0], "site": key[1], "odd": key[2], "cells": cells, "style": style}
        lines.append(line | {"page": pages.get(key[0], ""), "flags": summaries.describe_flags(row)})
    return {"heads": heads, "lines": lines}


def _rank(values):
    """Return the rank of each value, None for None; equal values share a rank."""
    order = {value: place for place, value in enumerate(sorted({value for value in values if value is not None}), 1)}
    return [None if value is None else order[value] for value in values]
