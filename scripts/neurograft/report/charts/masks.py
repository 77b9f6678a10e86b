"""Charts of how good masks were said to be: predicted against true Dice, and what is kept against how good it is."""

import numpy as np

from neurograft.report.charts import svg
from neurograft.report.charts.cohort import BLUE, GREY, VERMILION
from neurograft.report.sentences import format_number

TOP, BOTTOM, LEFT, RIGHT = 12, 262, 44, 364
MOST_POINTS = 400


def draw_predicted(rows):
    """Draw each labelled subject's predicted Dice, with its interval, against the true one.

    Parameters
    ----------
    rows : list of dict
        `subject`, and the numbers `predicted`, `low`, `high`, `dice`; of many only some are drawn.

    Returns
    -------
    markupsafe.Markup
        SVG. Points on the diagonal were right; intervals that miss the true Dice have another colour and mark.
    """
    rows = rows[:: 1 + len(rows) // MOST_POINTS]
    across, up = svg.scale(0, 1, LEFT, RIGHT), svg.scale(0, 1, BOTTOM, TOP)
    parts = [*_axes(across, up, "true Dice", "predicted Dice"), svg.line(LEFT, BOTTOM, RIGHT, TOP, GREY, 1)]
    missed = []
    for row in rows:
        held = row["low"] <= row["dice"] <= row["high"]
        missed += [] if held else [row["subject"]]
        colour, x = BLUE if held else VERMILION, across(row["dice"])
        title = (
            f"{row['subject']}: predicted {format_number(row['predicted'], 2)} "
            f"({format_number(row['low'], 2)} to {format_number(row['high'], 2)}), true {format_number(row['dice'], 2)}"
        )
        parts.append(svg.line(x, up(row["low"]), x, up(row["high"]), colour, 1.1))
        look = svg.Mark("circle" if held else "diamond", colour, size=3.2 if held else 5)
        parts.append(svg.mark(x, up(row["predicted"]), look, title))
    words = f"{len(rows)} masks, predicted Dice against true Dice; {len(missed)} true values outside their interval"
    return svg.svg(BOTTOM + 40, parts, words)


def draw_kept(lines):
    """Draw the mean Dice of the masks that are kept over their share, the most trusted first.

    Parameters
    ----------
    lines : list of (str, sequence of float)
        Name, and mean Dice of the first mask, the first two, and so on: predicted, best and random order.

    Returns
    -------
    markupsafe.Markup
        SVG.
    """
    low = min(min(values) for _, values in lines)
    low = max(0.0, np.floor(10 * low - 0.5) / 10)
    across, up = svg.scale(0, 1, LEFT, RIGHT), svg.scale(low, 1, BOTTOM, TOP)
    parts = _axes(across, up, "share of masks kept", "mean Dice of those kept", low)
    # the predicted order is never above the best one: its name stands below it
    looks = ((BLUE, 2.4, False, 16), (GREY, 1.4, False, -6), (GREY, 1.4, True, -6))
    for (name, values), (colour, width, dashed, away) in zip(lines, looks, strict=False):
        spots = [(across((at + 1) / len(values)), up(value)) for at, value in enumerate(values)]
        parts.append(svg.path(spots, colour, width, 1, name, dashed))
        middle = spots[len(spots) // 3]
        parts.append(svg.text(middle[0], middle[1] + away, name, svg.Font("start", colour, 11.5, "600", True)))
    words = "; ".join(
        f"{name}: {format_number(values[len(values) // 2], 2)} of the first half" for name, values in lines
    )
    return svg.svg(BOTTOM + 40, parts, words)


def _axes(across, up, below, beside, low=0.0):
    """Draw both axes, with their names."""
    parts = [*svg.axis(across, 0, 1, TOP, BOTTOM)]
    for tick in svg.ticks(low, 1, 5):
        parts.append(svg.line(LEFT, up(tick), RIGHT, up(tick), svg.GRID, 1))
        parts.append(svg.text(LEFT - 6, up(tick) + 4, f"{tick:g}", svg.Font("end", svg.SOFT, 11)))
    parts.append(svg.text(RIGHT, BOTTOM + 34, below, svg.Font("end", svg.SOFT, 11)))
    parts.append(svg.text(LEFT + 4, TOP + 8, beside, svg.Font("start", svg.SOFT, 11, halo=True)))
    return parts
