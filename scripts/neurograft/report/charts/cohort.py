"""Charts of the cohort as small SVG pictures.

They are drawn for the width of a phone and grow with the page, need no script and no font of their own, show the name
of a point as a tooltip, and distinguish groups by shape and place as well as by colour. `svg` escapes all text that
comes from the data.
"""

import numpy as np

from neurograft.report.charts import svg
from neurograft.report.sentences import format_interval, format_number

NARROW = 320
# the palette of Okabe and Ito, which colour-blind readers can distinguish
BLUE, VERMILION, GREY, AMBER, GREEN = "#0072b2", "#d55e00", "#5d6872", "#a86f00", "#00755c"
VERDICTS = {
    "helps": svg.Mark("up", BLUE),
    "hurts": svg.Mark("down", VERMILION),
    "no practical difference": svg.Mark("square", GREEN),
    "undecided": svg.Mark("circle", GREY),
    "refused": svg.Mark("square", AMBER, filled=False),
    "": svg.Mark("circle", GREY, filled=False),
}


def draw_forest(rows, better="higher"):
    """Draw differences with their intervals around a line of no difference.

    Parameters
    ----------
    rows : list of dict
        `label`, `mean`, `low`, `high`, `verdict` (a key of `VERDICTS`), `margin` (half-width of the grey band,
        within which a difference is of no practical use; may be absent) and `note`. Numbers may be None.
    better : str
        "higher" or "lower": the good direction of the measure.

    Returns
    -------
    markupsafe.Markup
        SVG.
    """
    numbers = [row[key] for row in rows for key in ("mean", "low", "high") if row.get(key) is not None]
    numbers += [sign * row["margin"] for row in rows for sign in (-1, 1) if row.get("margin")]
    # differences that are all zero still need an axis
    reach = 1.08 * (max([abs(number) for number in numbers], default=0) or 0.1)
    left, right, step = 12, svg.WIDTH - 12, 60
    scale = svg.scale(-reach, reach, left, right)
    bottom = 16 + step * len(rows)
    parts = svg.axis(scale, -reach, reach, 8, bottom, signed=True)
    parts.append(svg.line(scale(0), 6, scale(0), bottom, svg.INK, 1.2))
    for number, row in enumerate(rows):
        top = 8 + step * number
        look = VERDICTS.get(row.get("verdict") or "", VERDICTS[""])
        if row.get("margin"):
            parts.append(svg.box(scale(-row["margin"]), top + 33, scale(row["margin"]), top + 53, "#e6eaee"))
            parts.append(svg.line(scale(0), top + 33, scale(0), top + 53, svg.INK, 1.2))
        parts.append(svg.text(left, top + 13, row["label"], svg.Font(weight="600", halo=True)))
        parts.append(svg.text(left, top + 28, row.get("note", ""), svg.Font(colour=look.colour, size=11.5, halo=True)))
        if row.get("mean") is None:
            continue
        if row.get("low") is not None:
            parts.append(svg.line(scale(row["low"]), top + 43, scale(row["high"]), top + 43, look.colour, 2.5))
        name = f"{row['label']}: {row.get('note', '')}"
        parts.append(svg.mark(scale(row["mean"]), top + 43, look, name))
    words = ("worse", "better") if better == "higher" else ("better", "worse")
    parts.append(svg.text(left, bottom + 32, f"← {words[0]}", svg.Font(colour=svg.SOFT, size=11)))
    parts.append(svg.text(right, bottom + 32, f"{words[1]} →", svg.Font("end", svg.SOFT, 11)))
    return svg.svg(bottom + 40, parts, "differences with 95 % intervals: " + "; ".join(row["label"] for row in rows))


def draw_patients(values, low=0.0, high=1.0, colours=None):
    """Draw the score of every patient under each strategy, with a line that joins the same patient.

    Parameters
    ----------
    values : dict of str to dict of str to float
        Strategy to patient to score; strategies from top to bottom.
    low, high : float
        Ends of the axis.

    Returns
    -------
    markupsafe.Markup
        SVG. With more than 40 patients the lines are left out, because they would hide more than they show.
    """
    left, right, step = 14, svg.WIDTH - 14, 50
    scale = svg.scale(low, high, left, right)
    bottom = 14 + step * len(values)
    parts = svg.axis(scale, low, high, 10, bottom)
    heights = {name: 14 + step * number + 30 for number, name in enumerate(values)}
    people = sorted({patient for scores in values.values() for patient in scores})
    for patient in people if len(people) <= 40 else []:
        spots = [(scale(scores[patient]), heights[name]) for name, scores in values.items() if patient in scores]
        parts.append(svg.path(spots, "#b9c2ca", 1, title=patient))
    for name, scores in values.items():
        colour = (colours or {}).get(name, BLUE)
        parts.append(svg.text(left, heights[name] - 15, name, svg.Font(weight="600", halo=True)))
        parts += [
            svg.mark(
                scale(score),
                heights[name],
                svg.Mark("circle", colour, True, 3.4, 0.6),
                f"{patient}: {format_number(score)}",
            )
            for patient, score in scores.items()
        ]
        if scores:
            middle = float(np.median(list(scores.values())))
            parts.append(svg.line(scale(middle), heights[name] - 11, scale(middle), heights[name] + 11, svg.INK, 2.4))
            parts.append(
                svg.text(
                    right,
                    heights[name] - 15,
                    f"median {format_number(middle)}",
                    svg.Font("end", svg.SOFT, 11, halo=True),
                )
            )
    return svg.svg(bottom + 26, parts, "scores of each patient by strategy")


def draw_training(cells, key="loss", low=None, high=None):
    """Draw the training of one strategy: a thin line for each cell, and a thick one for their median.

    Parameters
    ----------
    cells : list of dict
        `label`, `converged` and `history`: rows with `step` and `key`. A cell that had not converged is dashed and ends
        in a cross.
    key : str
        The column drawn.
    low, high : float, optional
        Ends of the axis, so that panels can share it.

    Returns
    -------
    markupsafe.Markup
        SVG; each line is reduced to at most 60 means over equally long intervals of steps.
    """
    tracks = [(cell, thin_curve(cell["history"], key)) for cell in cells]
    tracks = [(cell, track) for cell, track in tracks if len(track)]
    if not tracks:
        return svg.svg(
            40, [svg.text(14, 24, "no training history was written", svg.Font(colour=svg.SOFT))], "no history"
        )
    everything = np.concatenate([track for _, track in tracks])
    low = min(0.0, everything[:, 1].min()) if low is None else low
    high = everything[:, 1].max() if high is None else high
    last = max(1.0, everything[:, 0].max())
    across, up = svg.scale(0, last, 40, NARROW - 12), svg.scale(low, max(high, low + 1e-6), 190, 14)
    parts = svg.axis(across, 0, last, 14, 190)
    for tick in svg.ticks(low, high, 4):
        parts += [
            svg.line(40, up(tick), NARROW - 12, up(tick), svg.GRID, 1),
            svg.text(34, up(tick) + 4, f"{tick:g}", svg.Font("end", svg.SOFT, 11)),
        ]
    for cell, track in tracks:
        colour = BLUE if cell.get("converged", True) else AMBER
        spots = [(across(step), up(value)) for step, value in track]
        parts.append(svg.path(spots, colour, 1.1, 0.45, cell["label"], dashed=colour == AMBER))
        if colour == AMBER:
            parts.append(svg.text(spots[-1][0], spots[-1][1] + 5, "×", svg.Font("middle", VERMILION, 16, "700")))
    same = [track for _, track in tracks if np.array_equal(track[:, 0], tracks[0][1][:, 0])]
    if len(same) > 1:
        middle = np.median([track[:, 1] for track in same], axis=0)
        parts.append(svg.path([(across(s), up(v)) for s, v in zip(same[0][:, 0], middle, strict=True)], svg.INK, 2.4))
    parts.append(svg.text(NARROW - 12, 224, "training step", svg.Font("end", svg.SOFT, 11)))
    return svg.svg(230, parts, f"{key} over training steps, {len(tracks)} runs", NARROW)


def draw_strip(points, digits=2, unit=""):
    """Draw one measure of all subjects along a line, with outliers as named diamonds.

    Parameters
    ----------
    points : list of (str, float, bool)
        Subject, value, whether it is an outlier.
    """
    values = np.array([value for _, value, _ in points], float)
    if not len(values):
        return svg.svg(30, [svg.text(12, 20, "not measured", svg.Font(colour=svg.SOFT))], "not measured")
    pad = 0.06 * (np.ptp(values) or abs(values[0]) or 1)
    low, high = values.min() - pad, values.max() + pad
    scale = svg.scale(low, high, 12, svg.WIDTH - 12)
    parts = svg.axis(scale, low, high, 22, 62)
    quarters = np.percentile(values, (25, 50, 75))
    parts.append(svg.box(scale(quarters[0]), 34, scale(quarters[2]), 50, "#d9e8f3"))
    parts.append(svg.line(scale(quarters[1]), 31, scale(quarters[1]), 53, svg.INK, 2))
    taken = []
    for subject, value, outlier in sorted(points, key=lambda point: (point[2], point[1])):
        x, words = scale(value), f"{subject}: {format_number(value, digits)} {unit}".strip()
        if not outlier:
            parts.append(svg.mark(x, 42, svg.Mark("circle", BLUE, True, 3.6, 0.55), words))
            continue
        parts.append(svg.mark(x, 42, svg.Mark("diamond", VERMILION, True, 6), words))
        if all(abs(x - other) > 70 for other in taken) and len(taken) < 5:
            anchor = "end" if x > svg.WIDTH - 80 else "start" if x < 80 else "middle"
            parts.append(svg.text(x, 17, subject, svg.Font(anchor, VERMILION, 11, "600")))
            taken.append(x)
    return svg.svg(
        84, parts, f"{len(points)} subjects from {format_interval(values.min(), values.max(), digits)} {unit}"
    )


def draw_recall(curves, along="first k candidates", what="recall of the tumour"):
    """Draw a share at several numbers of candidates: a line for each labelled subject, and their mean.

    Parameters
    ----------
    curves : dict of str to dict of int to float
        Subject to k to share.
    along, what : str
        Names of the numbers and of the shares.
    """
    ks = sorted({k for curve in curves.values() for k in curve})
    if not ks:
        return svg.svg(30, [svg.text(12, 20, "no labelled subject", svg.Font(colour=svg.SOFT))], "no labelled subject")
    spots = {k: x for k, x in zip(ks, np.linspace(60, svg.WIDTH - 30, len(ks)), strict=True)}
    up = svg.scale(0, 1, 180, 14)
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts += [
            svg.line(46, up(tick), svg.WIDTH - 14, up(tick), svg.GRID, 1),
            svg.text(40, up(tick) + 4, f"{tick:g}", svg.Font("end", svg.SOFT, 11)),
        ]
    for subject, curve in curves.items():
        parts.append(svg.path([(spots[k], up(curve[k])) for k in ks if k in curve], BLUE, 1.1, 0.45, subject))
    means = {k: float(np.mean([curve[k] for curve in curves.values() if k in curve])) for k in ks}
    parts.append(svg.path([(spots[k], up(means[k])) for k in ks], svg.INK, 2.4))
    for k in ks:
        parts.append(
            svg.mark(spots[k], up(means[k]), svg.Mark("circle", svg.INK), f"k = {k}: mean {format_number(means[k])}")
        )
        parts.append(svg.text(spots[k], 197, str(k), svg.Font("middle", svg.SOFT, 11)))
    parts.append(svg.text(svg.WIDTH - 14, 213, along, svg.Font("end", svg.SOFT, 11)))
    return svg.svg(220, parts, f"{what}: " + ", ".join(f"{format_number(means[k], 2)} at {k}" for k in ks))


def draw_bars(rows):
    """Draw a bar for each row (median) with a whisker (maximum) and a note.

    Parameters
    ----------
    rows : list of (str, float, float, str)
        Label, median, maximum, note.
    """
    top = max([most for _, _, most, _ in rows] or [1]) or 1
    scale, parts = svg.scale(0, top, 14, svg.WIDTH - 14), []
    for number, (label, middle, most, note) in enumerate(rows):
        y = 14 + 54 * number
        parts += [
            svg.text(14, y, label, svg.Font(weight="600")),
            svg.text(14, y + 15, note, svg.Font(colour=svg.SOFT, size=11)),
        ]
        parts += [svg.box(14, y + 21, max(15, scale(middle)), y + 31, BLUE)]
        parts += [svg.line(14, y + 26, scale(most), y + 26, svg.INK, 1.4)]
        parts.append(svg.line(scale(most), y + 22, scale(most), y + 30, svg.INK, 1.4))
    return svg.svg(10 + 54 * len(rows), parts, "; ".join(f"{label} {note}" for label, _, _, note in rows))


def thin_curve(history, key, most=60):
    """Reduce a history to means over at most `most` intervals: an array of (step, value), shape (N, 2)."""
    pairs = np.array([(float(row["step"]), float(row[key])) for row in history if row.get(key) not in (None, "")])
    pairs = pairs[np.isfinite(pairs).all(axis=1)] if len(pairs) else np.zeros((0, 2))
    return np.array([part.mean(axis=0) for part in np.array_split(pairs, min(most, max(1, len(pairs)))) if len(part)])
