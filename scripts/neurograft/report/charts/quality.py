"""Charts of the quality control: every subject in the lane of its site, and sites as boxes."""

import numpy as np

from neurograft.report.charts import svg
from neurograft.report.charts.cohort import BLUE, VERMILION
from neurograft.report.sentences import format_interval, format_number

LANE = 20
MARGIN = 84
MOST_LANES = 12
MOST_NAMED = 4
CHARACTER = 7  # width of a letter of a name, in the unit of the chart
OTHERS = "other sites"


def choose_lanes(sites):
    """Assign a lane to each site: the largest first, and the smallest ones together if there are too many."""
    counts = {site: sites.count(site) for site in dict.fromkeys(sites)}
    ranked = sorted(counts, key=lambda site: (-counts[site], site))
    if len(ranked) <= MOST_LANES:
        return {site: number for number, site in enumerate(ranked)}
    return {site: min(number, MOST_LANES - 1) for number, site in enumerate(ranked)}


def draw_lanes(points, lanes, limits=None, digits=2, unit=""):
    """Draw one measure of all subjects, with a lane for each site and outliers as diamonds linked to their pages.

    Parameters
    ----------
    points : list of dict
        `subject`, `site`, `value`, `outlier` and `page` (an address, or "").
    lanes : dict of str to int
        Site to lane, from `choose_lanes`; the same for all charts of a cohort.
    limits : (float, float), optional
        Values beyond which a subject is an outlier; drawn as dashed lines if they lie within the chart.
    digits : int
    unit : str

    Returns
    -------
    markupsafe.Markup
        SVG. Subjects that are not outliers are dots without names, so that a chart of 300 of them stays small.
    """
    if not points:
        return svg.svg(30, [svg.text(12, 20, "not measured", svg.Font(colour=svg.SOFT))], "not measured")
    values = np.array([point["value"] for point in points], float)
    pad = 0.06 * (np.ptp(values) or abs(values[0]) or 1)
    low, high = values.min() - pad, values.max() + pad
    left = MARGIN if len(lanes) > 1 else 14
    scale, bottom = svg.scale(low, high, left, svg.WIDTH - 14), 16 + LANE * (1 + max(lanes.values()))
    parts = svg.axis(scale, low, high, 10, bottom)
    quarters = np.percentile(values, (25, 50, 75))
    parts.append(svg.box(scale(quarters[0]), 12, scale(quarters[2]), bottom, "#d9e8f3"))
    parts.append(svg.line(scale(quarters[1]), 10, scale(quarters[1]), bottom, svg.INK, 1.6))
    parts += [
        svg.path(
            [(scale(end), 10), (scale(end), bottom)], VERMILION, 1, 0.8, "outliers lie beyond this line", dashed=True
        )
        for end in limits or ()
        if low <= end <= high
    ]
    parts += _name_lanes(lanes) if len(lanes) > 1 else []
    height = {site: 14 + LANE * (lane + 0.5) for site, lane in lanes.items()}
    usual = [point for point in points if not point["outlier"]]
    parts.append(svg.dots([(scale(point["value"]), height[point["site"]]) for point in usual], BLUE))
    odd = sorted((point for point in points if point["outlier"]), key=lambda point: (point["value"], point["subject"]))
    written = []
    for point in odd:
        x, y = scale(point["value"]), height[point["site"]]
        name = f"{point['subject']}: {format_number(point['value'], digits)} {unit}".strip()
        inner = svg.mark(x, y, svg.Mark("diamond", VERMILION, True, 6), name)
        anchor, shift = ("end", -9) if x > svg.WIDTH / 2 else ("start", 9)
        length = CHARACTER * len(point["subject"]) * (1 if anchor == "start" else -1)
        place = y, *sorted((x + shift, x + shift + length))
        # names that overlap cannot be read; such a name is in the tooltip and in the table
        if len(written) < MOST_NAMED and not any(_cross(place, other) for other in written):
            written.append(place)
            inner += svg.text(x + shift, y + 4, point["subject"], svg.Font(anchor, VERMILION, 11, "600", halo=True))
        parts.append(svg.link(point["page"], inner))
    ends = f"{len(points)} subjects from {format_interval(values.min(), values.max(), digits)} {unit}".strip()
    return svg.svg(bottom + 22, parts, f"{ends}; {len(odd)} outliers")


def _cross(place, other):
    """Check whether two names at places (height, start, end) overlap."""
    return abs(place[0] - other[0]) < LANE / 2 and place[1] < other[2] and other[1] < place[2]


def _name_lanes(lanes):
    """Write the name of each site at the left of its lane."""
    names = {}
    for site, lane in lanes.items():
        names[lane] = OTHERS if lane in names else site
    return [
        svg.text(4, 18 + LANE * (lane + 0.5), _shorten(name), svg.Font(colour=svg.SOFT, size=11))
        for lane, name in names.items()
    ]


def draw_boxes(rows):
    """Draw percentiles of sites: a whisker from the 5th to the 95th, a box for the middle half, a bar for the median.

    Parameters
    ----------
    rows : list of (str, list of float, str)
        Site, its five percentiles, and its tooltip.

    Returns
    -------
    markupsafe.Markup
        SVG.
    """
    if not rows:
        return svg.svg(30, [svg.text(12, 20, "not measured", svg.Font(colour=svg.SOFT))], "not measured")
    low, high = min(percentiles[0] for _, percentiles, _ in rows), max(percentiles[-1] for _, percentiles, _ in rows)
    pad = 0.04 * ((high - low) or 1)
    scale, bottom = svg.scale(low - pad, high + pad, MARGIN, svg.WIDTH - 14), 12 + LANE * len(rows)
    parts = svg.axis(scale, low - pad, high + pad, 8, bottom)
    for number, (site, percentiles, note) in enumerate(rows):
        y = 10 + LANE * (number + 0.5)
        parts.append(svg.text(4, y + 4, _shorten(site), svg.Font(colour=svg.SOFT, size=11)))
        parts.append(svg.line(scale(percentiles[0]), y, scale(percentiles[4]), y, BLUE, 1.4))
        parts.append(svg.bar(scale(percentiles[1]), y - 5, scale(percentiles[3]), y + 5, "#9cc4de", note))
        parts.append(svg.line(scale(percentiles[2]), y - 6, scale(percentiles[2]), y + 6, svg.INK, 2))
    return svg.svg(bottom + 22, parts, "; ".join(note for _, _, note in rows))


def _shorten(name, most=12):
    return name if len(name) <= most else name[: most - 1] + "…"
