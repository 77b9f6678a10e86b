"""The forest plot of a pooled arm: every cohort, their mean, and what a further cohort would see."""

from neurograft.evaluation.pooled_verdicts import PooledArm
from neurograft.evaluation.verdict_card import NORMAL
from neurograft.report.charts import svg
from neurograft.report.charts.cohort import BLUE, GREY, VERMILION
from neurograft.report.sentences import format_interval, format_number

STEP = 26
LEFT, MIDDLE = 12, 130
NAMED = 13  # letters of a cohort's name
MARKS = {"helps": svg.Mark("diamond", BLUE, size=7), "hurts": svg.Mark("diamond", VERMILION, size=7)}
# the largest square is of the cohort with the smallest standard error
LEAST, MOST = 2.5, 6.0


def draw_pooled(arm: PooledArm):
    """Draw the cohorts of an arm with their 95 % intervals, the pooled mean, and the prediction interval below.

    Parameters
    ----------
    arm : PooledArm
        Of two or more cohorts.

    Returns
    -------
    markupsafe.Markup
        SVG. A cohort whose interval reaches beyond the axis ends in an arrow.
    """
    row, rows = arm.row, []
    for member in sorted(arm.members, key=lambda member: -member.mean):
        half = NORMAL * member.error
        name = member.cohort if len(member.cohort) <= NAMED else f"{member.cohort[: NAMED - 1]}…"
        rows.append((f"{name} ({member.patients})", member.mean, member.mean - half, member.mean + half))
    reach = _find_reach(row, rows)
    right = svg.WIDTH - 14
    scale = svg.scale(-reach, reach, MIDDLE, right)
    bottom = 14 + STEP * (len(rows) + 2) + 8
    parts = []
    if row["margin"] == row["margin"]:
        band = min(row["margin"], reach)
        parts.append(svg.box(scale(-band), 8, scale(band), bottom, "#e6eaee"))
    parts += svg.axis(scale, -reach, reach, 8, bottom, signed=True)
    parts.append(svg.line(scale(0), 6, scale(0), bottom, svg.INK, 1.2))
    finest = min(member.error for member in arm.members)
    for number, (label, mean, low, high) in enumerate(rows):
        y = 14 + STEP * number + 10
        size = max(LEAST, MOST * finest / ((high - low) / 2 / NORMAL))
        parts += _draw_line(scale, reach, y, (label, mean, low, high), svg.Mark("square", GREY, size=size))
    y = 14 + STEP * len(rows) + 14
    parts.append(svg.line(LEFT, y - 12, right, y - 12, svg.GRID, 1))
    look = MARKS.get(row["verdict"], svg.Mark("diamond", svg.INK, size=7))
    pooled = ("mean", row["mean_difference"], row["low"], row["high"])
    parts += _draw_line(scale, reach, y, pooled, look, "600")
    further = ("a new cohort", None, row["new_low"], row["new_high"])
    parts += _draw_line(scale, reach, y + STEP, further, svg.Mark("diamond", look.colour), "600")
    words = ("worse", "better") if row["better"] == "higher" else ("better", "worse")
    parts.append(svg.text(MIDDLE, bottom + 32, f"← {words[0]}", svg.Font(colour=svg.SOFT, size=11)))
    parts.append(svg.text(right, bottom + 32, f"{words[1]} →", svg.Font("end", svg.SOFT, 11)))
    said = "; ".join(f"{label} {format_number(mean, signed=True)}" for label, mean, _, _ in [*rows, pooled])
    return svg.svg(bottom + 40, parts, f"{said}; a new cohort {format_interval(row['new_low'], row['new_high'])}")


def _find_reach(row, rows):
    """Choose how far the axis goes: as far as all means and the mean's interval, and twice that for what is wider."""
    inner = [abs(value) for value in (row["low"], row["high"], *(mean for _, mean, _, _ in rows))]
    outer = [abs(value) for value in (row["new_low"], row["new_high"], *(end for line in rows for end in line[2:]))]
    return 1.05 * min(max(inner + outer), 2 * max(inner)) or 0.1


def _draw_line(scale, reach, y, line, look, weight="400"):
    """Draw one line of the plot: its label, its interval (dashed without a mean), and its mark."""
    label, mean, low, high = line
    name = f"{label}: {format_number(mean, signed=True)} ({format_interval(low, high, signed=True)})"
    start, end = max(low, -reach), min(high, reach)
    parts = [svg.text(LEFT, y + 4, label, svg.Font(size=11.5, weight=weight, halo=True))]
    spots = [(scale(start), y), (scale(end), y)]
    parts.append(svg.path(spots, look.colour, 2 if weight == "400" else 3, title=name, dashed=mean is None))
    for at, cut, way in ((start, low < -reach, -1), (end, high > reach, 1)):
        if cut:
            tip = [(scale(at) - 5 * way, y - 4), (scale(at), y), (scale(at) - 5 * way, y + 4)]
            parts.append(svg.path(tip, look.colour, 2, title=name))
    if mean is not None:
        parts.append(svg.mark(scale(mean), y, look, name))
    return parts
