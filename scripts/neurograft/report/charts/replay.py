"""The chart of a replay, apart from the forests since it has no margin: by slice and by patient on one axis."""

from neurograft.report.charts import svg
from neurograft.report.charts.cohort import BLUE, GREY, VERMILION
from neurograft.report.sentences import format_number

STEP, LEFT, TOP = 44, 12, 22
HONEST = svg.Mark("diamond", BLUE, size=6.5)
LEAKY = svg.Mark("circle", VERMILION, size=5.5)
RANDOM = {"random": svg.Mark("circle", GREY, False, 4), "random_by_patient": svg.Mark("diamond", GREY, False, 5)}


def draw_replay(rows, published, words):
    """Draw each network's score in a control split and by patient, joined by a line, and those with random labels.

    Parameters
    ----------
    rows : list of dict
        `name`, `score`, `by_patient`, `random`, `random_by_patient` and `guess`, numbers or None.
    published : float or None
        A dashed line across all networks.
    words : str
        The metric, for screen readers.

    Returns
    -------
    markupsafe.Markup
        SVG.
    """
    values = [row[key] for row in rows for key in ("score", "by_patient", "guess", *RANDOM)] + [published]
    low, right = min([0.95 * value for value in values if value is not None], default=0), svg.WIDTH - 14
    scale, bottom = svg.scale(low, 1, LEFT, right), TOP + STEP * len(rows)
    parts = svg.axis(scale, low, 1, TOP - 8, bottom)
    for value, label, dashed in ((published, "published", True), (rows[0]["guess"], "guessing", False)):
        if value is not None:
            spots = [(scale(value), TOP - 8), (scale(value), bottom)]
            parts.append(svg.path(spots, svg.INK if dashed else svg.SOFT, 1.3, title=label, dashed=dashed))
            anchor = "end" if value > (1 + low) / 2 else "start"
            parts.append(svg.text(scale(value), TOP - 12, label, svg.Font(anchor, svg.SOFT, 11)))
    said = []
    for number, row in enumerate(rows):
        y = TOP + STEP * number + 32
        parts.append(svg.text(LEFT, y - 14, row["name"], svg.Font(size=11.5, halo=True)))
        for key, look in RANDOM.items():
            if row[key] is not None:
                title = f"{row['name']}, random labels: {format_number(row[key])}"
                parts.append(svg.mark(scale(row[key]), y, look, title))
        ends = [scale(row[key]) for key in ("by_patient", "score")]
        parts.append(svg.line(ends[0], y, ends[1], y, VERMILION, 2.4))
        title = f"{row['name']}: {format_number(row['score'])}, by patient {format_number(row['by_patient'])}"
        parts += [svg.mark(ends[1], y, LEAKY, title), svg.mark(ends[0], y, HONEST, title)]
        said.append(title)
    return svg.svg(bottom + 24, parts, f"{words}: {'; '.join(said)}")
