"""Charts of what transfer gained and changed: learning curves, and the changes of every layer."""

import math
from itertools import groupby

from neurograft.report.charts import svg
from neurograft.report.charts.cohort import AMBER, BLUE, GREY, VERMILION
from neurograft.report.sentences import format_minutes, format_number, format_significant
from neurograft.report.strategy_words import WORDS

# colours and marks of the lines of one panel; the controls have their own
LINES = ((BLUE, "circle"), (VERMILION, "diamond"), ("#007a5a", "up"), ("#8b4a86", "down"))
COLOURS = {"ink": svg.INK, "grey": GREY}
CONTROLS = {
    name: (COLOURS[words.mark.colour], words.mark.shape, words.mark.dashed)
    for name, words in WORDS.items()
    if words.mark
}
MOST_LINES = len(LINES)
# of other programs
BESIDE = (svg.INK, "diamond", True)
# the right-hand end of the curves; their names stand beyond it
EDGE = 232
# below this, a layer counts as unchanged on the logarithmic axis
LEAST = 1e-5


def draw_curves(lines, sizes, low, high, along="labelled training patients"):
    """Draw the mean score over what a training was given, with a line and intervals for each strategy.

    Parameters
    ----------
    lines : list of dict
        `label`, `strategy`, and `points`: for each size either None, or `mean`, `low` and `high` (None where there is
        no interval) and `note`. With more than `MOST_LINES` strategies besides the controls, marks repeat.
    sizes : list of str
        Names of the training sizes, which are drawn equally spaced.
    low, high : float
        Ends of the vertical axis.
    along : str
        What the sizes are.

    Returns
    -------
    markupsafe.Markup
        SVG.
    """
    top, bottom, left = 14, 218, 40
    up, across = svg.scale(low, high, bottom, top), svg.scale(0, max(1, len(sizes) - 1), left + 22, EDGE)
    parts = []
    for tick in svg.ticks(low, high, 5):
        parts += [svg.line(left, up(tick), EDGE + 12, up(tick), svg.GRID, 1)]
        parts.append(svg.text(left - 6, up(tick) + 4, f"{tick:g}", svg.Font("end", svg.SOFT, 11)))
    parts += [
        svg.text(across(at), bottom + 18, name, svg.Font("middle", svg.SOFT, 11)) for at, name in enumerate(sizes)
    ]
    parts.append(svg.text(EDGE + 12, bottom + 36, along, svg.Font("end", svg.SOFT, 11)))
    names = []
    for number, (line, look) in enumerate(zip(lines, _choose_looks(lines), strict=True)):
        # side by side, so that intervals do not hide each other
        shift = 5 * (number - (len(lines) - 1) / 2)
        spots = [(across(at) + shift, point) for at, point in enumerate(line["points"]) if point]
        parts += _curve(line["label"], spots, up, (low, high), look)
        if spots:
            names.append((up(spots[-1][1]["mean"]), line["label"], look))
    words = "; ".join(_describe_line(line, sizes) for line in lines)
    return svg.svg(bottom + 44, parts + _name_lines(names, top, bottom), words)


def draw_costs(lines, low, high, beside=()):
    """Draw the mean score over the processor minutes that it took, on a logarithmic axis.

    Parameters
    ----------
    lines : list of dict
        `label`, `strategy`, and `points`: None, or as in `draw_curves` with `minutes` (above 0).
    low, high : float
        Ends of the vertical axis.
    beside : list of dict
        Other programs: `label`, `mean`, `minutes` and `note`; with minutes None, a level line over all minutes.

    Returns
    -------
    markupsafe.Markup
        SVG.
    """
    top, bottom, left = 14, 218, 40
    known = [point["minutes"] for line in lines for point in line["points"] if point]
    known += [program["minutes"] for program in beside if program["minutes"]]
    first, last = math.log10(min(known)), math.log10(max(known))
    up, across = svg.scale(low, high, bottom, top), svg.scale(first, last, left + 22, EDGE)
    parts = []
    for tick in svg.ticks(low, high, 5):
        parts += [svg.line(left, up(tick), EDGE + 12, up(tick), svg.GRID, 1)]
        parts.append(svg.text(left - 6, up(tick) + 4, f"{tick:g}", svg.Font("end", svg.SOFT, 11)))
    for minutes in _round_minutes(first, last):
        place = across(math.log10(minutes))
        parts += [svg.line(place, top, place, bottom, svg.GRID, 1)]
        parts.append(svg.text(place, bottom + 18, f"{minutes:g}", svg.Font("middle", svg.SOFT, 11)))
    along = "processor minutes of a network, logarithmic"
    parts.append(svg.text(EDGE + 12, bottom + 36, along, svg.Font("end", svg.SOFT, 11)))
    looks, names, words = _choose_looks(lines), [], []
    for line, look in zip(lines, looks, strict=True):
        spots = [(across(math.log10(point["minutes"])), point) for point in line["points"] if point]
        parts += _curve(line["label"], spots, up, (low, high), look)
        if spots:
            names.append((up(spots[-1][1]["mean"]), line["label"], look))
        at = [f"{format_number(p['mean'])} at {format_minutes(p['minutes'])} min" for p in line["points"] if p]
        words.append(f"{line['label']}: {', '.join(at)}")
    for program in beside:
        parts += _stand_beside(program, across, up, left)
        names.append((up(program["mean"]), program["label"], BESIDE))
        words.append(f"{program['label']}: {program['note']}")
    return svg.svg(bottom + 44, parts + _name_lines(names, top, bottom), "; ".join(words))


def _stand_beside(program, across, up, left):
    """Draw another program: a point, or a level line if its time is not known."""
    height, title = up(program["mean"]), f"{program['label']}, {program['note']}"
    if program["minutes"] is None:
        return [svg.path([(left, height), (EDGE + 12, height)], BESIDE[0], 1.6, 1, title, True)]
    return [svg.mark(across(math.log10(program["minutes"])), height, svg.Mark(BESIDE[1], BESIDE[0], False, 5), title)]


def _round_minutes(first, last):
    """List round minutes between two powers of ten: 1, 2 and 5, or only 1 if that gives too many."""
    decades = range(math.floor(first), math.ceil(last) + 1)
    for steps in ((1, 2, 5), (1,)):
        minutes = [step * 10.0**power for power in decades for step in steps]
        inside = [value for value in minutes if first - 0.02 <= math.log10(value) <= last + 0.02]
        if len(inside) <= 6:
            break
    return inside or [float(format_significant(10**power)) for power in {first, last}]


def _choose_looks(lines):
    """Choose colour, mark and dashes of each line: the controls' own, and the others' in turn."""
    looks, drawn = [], 0
    for line in lines:
        look = CONTROLS.get(line["strategy"])
        if look is None:
            look, drawn = (*LINES[drawn % MOST_LINES], False), drawn + 1
        looks.append(look)
    return looks


def _curve(label, spots, up, ends, look):
    """Draw one line with its intervals and marks, clipped to the axis."""
    colour, shape, dashed = look

    def inside(value):
        return up(min(max(value, ends[0]), ends[1]))

    parts = [svg.path([(x, inside(point["mean"])) for x, point in spots], colour, 2, 1, label, dashed)]
    for x, point in spots:
        if point["low"] is not None:
            parts.append(svg.line(x, inside(point["low"]), x, inside(point["high"]), colour, 1.2))
        title = f"{label}, {point['note']}"
        parts.append(svg.mark(x, inside(point["mean"]), svg.Mark(shape, colour, not dashed, 4), title))
    return parts


def _name_lines(names, top, bottom):
    """Write the name of each line at its right end, moved apart where names would overlap."""
    gap, parts, heights = 15, [], []
    for place, _, _ in sorted(names):
        heights.append(max(place, heights[-1] + gap if heights else top))
    # too low: push the whole stack up from below
    for at in reversed(range(len(heights))):
        heights[at] = min(heights[at], bottom - gap * (len(heights) - 1 - at))
    for height, (_, label, (colour, shape, dashed)) in zip(heights, sorted(names), strict=True):
        words = label if len(label) < 17 else f"{label[:15]}…"
        parts.append(svg.mark(EDGE + 28, height, svg.Mark(shape, colour, not dashed, 4), label))
        parts.append(svg.text(EDGE + 37, height + 4, words, svg.Font(colour=colour, size=11.5, weight="600")))
    return parts


def _describe_line(line, sizes):
    """Describe a line in words, for readers who cannot see it."""
    points = [
        f"{format_number(point['mean'])} at {size}" for size, point in zip(sizes, line["points"], strict=True) if point
    ]
    return f"{line['label']}: {', '.join(points)}"


def draw_layers(layers, features, ends=None):
    """Draw what training changed: similarity of features by stage (top) and change of every layer (bottom).

    Parameters
    ----------
    layers : list of dict
        From input to output: `layer`, `stage` (text, empty for the top), `part`, `trained` (bool), `change` and
        `statistics` (relative change of weights and of BatchNorm statistics; None where there is none).
    features : list of dict
        `stage`, `cka`, `low`, `high`.
    ends : (int, int), optional
        Powers of ten at the ends of the lower axis, so that panels can share it (`find_ends`).

    Returns
    -------
    markupsafe.Markup
        SVG, of the same size for any number of layers.
    """
    left, right = 44, svg.WIDTH - 10
    slot = (right - left) / max(1, len(layers))
    parts, middles = [], {}
    at = 0
    for stage, rows in groupby(layers, key=lambda row: row["stage"] or row["part"]):
        count = len(list(rows))
        middles.setdefault(stage, left + (at + count / 2) * slot)
        if at:
            parts.append(svg.line(left + at * slot, 22, left + at * slot, 258, svg.GRID, 1))
        name = stage if count * slot > 6 * len(stage) else stage[:1]
        parts.append(svg.text(left + (at + count / 2) * slot, 277, name, svg.Font("middle", svg.SOFT, 11)))
        at += count
    parts += _similarity(features, middles, left, right)
    parts += _changes(layers, left, right, slot, ends or find_ends(layers))
    parts.append(svg.text(left, 295, "stage, from input to output →", svg.Font(colour=svg.SOFT, size=11)))
    trained = sum(row["trained"] for row in layers)
    words = f"{trained} of {len(layers)} layers trained; similarity of features (CKA): "
    words += ", ".join(f"stage {row['stage']} {format_number(row['cka'], 2)}" for row in features)
    return svg.svg(302, parts, words)


def _similarity(features, middles, left, right):
    """Draw the upper half: CKA of each stage between 0 and 1."""
    up = svg.scale(0, 1, 104, 26)
    parts = [svg.text(left, 14, "similarity of features (CKA)", svg.Font(size=11.5, weight="600"))]
    for tick in (0, 0.5, 1):
        parts += [svg.line(left, up(tick), right, up(tick), svg.GRID, 1)]
        parts.append(svg.text(left - 6, up(tick) + 4, f"{tick:g}", svg.Font("end", svg.SOFT, 11)))
    spread = [left + (right - left) * (at + 0.5) / max(1, len(features)) for at in range(len(features))]
    placed = all(row["stage"] in middles for row in features)
    for row, place in zip(features, spread, strict=True):
        x = middles[row["stage"]] if placed else place
        # debiased CKA may be slightly below 0
        inside = [up(min(max(value, 0), 1)) for value in (row["low"], row["cka"], row["high"])]
        parts.append(svg.line(x, inside[0], x, inside[2], VERMILION, 1.6))
        name = f"stage {row['stage']}: CKA {format_number(row['cka'])}"
        parts.append(svg.mark(x, inside[1], svg.Mark("diamond", VERMILION, True, 5), name))
    return parts


def find_ends(layers):
    """Return the powers of ten between which the changes of layers lie."""
    values = [row[name] for row in layers for name in ("change", "statistics") if (row[name] or 0) > LEAST]
    low, high = math.floor(math.log10(min(values, default=0.01))), math.ceil(math.log10(max(values, default=1)))
    return low, max(high, low + 1)


def _changes(layers, left, right, slot, ends):
    """Draw the lower half: the relative change of each layer on a logarithmic axis, with frozen layers below it."""
    low, high = ends
    up = svg.scale(low, high, 250, 142)
    parts = [svg.text(left, 130, "relative change of the weights", svg.Font(size=11.5, weight="600"))]
    for power in range(low, high + 1):
        words = f"{10.0**power:g}" if power > -4 else f"1e\N{MINUS SIGN}{-power}"
        parts += [svg.line(left, up(power), right, up(power), svg.GRID, 1)]
        parts.append(svg.text(left - 6, up(power) + 4, words, svg.Font("end", svg.SOFT, 11)))
    for at, row in enumerate(layers):
        x, change, moved = left + at * slot, row["change"] or 0, row["statistics"] or 0
        name = f"{row['layer']}: " + (f"changed by {format_significant(change)}" if row["trained"] else "frozen")
        colour = BLUE if row["part"] == "encoder" else GREY
        if change > LEAST:
            parts.append(svg.bar(x + 0.1 * slot, up(math.log10(change)), x + 0.9 * slot, 250, colour, name))
        if not row["trained"]:
            parts.append(svg.bar(x, 252, x + slot, 258, "#9aa5af", name))
        if moved > LEAST:
            title = f"{row['layer']}: statistics changed by {format_significant(moved)}"
            parts.append(svg.mark(x + slot / 2, up(math.log10(moved)), svg.Mark("circle", AMBER, False, 2.2), title))
    return parts
