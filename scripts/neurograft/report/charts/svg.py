"""SVG markup from numbers and words: the few shapes that charts are made of, with all text escaped."""

from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

WIDTH = 380
INK, SOFT, GRID = "#1c2530", "#5b6672", "#dde3e8"
# corners in units of the mark's size, y downwards
CORNERS = {
    "diamond": ((0, -1), (1, 0), (0, 1), (-1, 0)),
    "up": ((0, -1), (1, 0.8), (-1, 0.8)),
    "down": ((0, 1), (1, -0.8), (-1, -0.8)),
    "square": ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
}


@dataclass(frozen=True)
class Font:
    """The look of a text; a halo is a white edge that keeps it readable over lines."""

    anchor: str = "start"
    colour: str = INK
    size: float = 12.5
    weight: str = "400"
    halo: bool = False


@dataclass(frozen=True)
class Mark:
    """The look of a point: `shape` is a circle or one of `CORNERS`."""

    shape: str
    colour: str
    filled: bool = True
    size: float = 5.5
    opacity: float = 1


PLAIN = Font()


def svg(height, parts, label, width=WIDTH):
    """Assemble a picture of `width` by `height` units from its parts; screen readers read the `label`."""
    inner = Markup("").join(parts)
    opening = Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        width, round(height), label
    )
    return opening + inner + Markup("</svg>")


def scale(low, high, start, end):
    """Return the function that maps a value to its place between `start` and `end`."""
    span = (high - low) or 1
    return lambda value: start + (value - low) / span * (end - start)


def ticks(low, high, most=5):
    """List round numbers between low and high, in steps of 1, 2 or 5."""
    rough = max(high - low, 1e-9) / most
    power = 10 ** np.floor(np.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [round(float(tick), 10) + 0.0 for tick in np.arange(np.ceil(low / step - 1e-9), high / step + 1e-9) * step]


def axis(scale, low, high, top, bottom, signed=False):
    """Draw the grid lines and numbers of a horizontal axis."""
    parts = []
    for tick in ticks(low, high, 5):
        words = f"{tick:+g}" if signed and tick else f"{tick:,g}" if abs(tick) < 1e5 else f"{tick:.3g}"
        words = words.replace("-", "\N{MINUS SIGN}")
        parts += [line(scale(tick), top, scale(tick), bottom, GRID, 1)]
        parts.append(text(scale(tick), bottom + 16, words, Font("middle", SOFT, 11)))
    return parts


def text(x, y, words, font=PLAIN):
    """Draw a text."""
    halo = Markup(' paint-order="stroke" stroke="#fff" stroke-width="4"') if font.halo else ""
    return Markup(
        '<text x="{:.1f}" y="{:.1f}" text-anchor="{}" fill="{}" font-size="{}" font-weight="{}"{}>{}</text>'
    ).format(x, y, font.anchor, font.colour, font.size, font.weight, halo, str(words))


def line(x1, y1, x2, y2, colour, width):
    """Draw a straight line."""
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke="{}" stroke-width="{}"/>').format(
        x1, y1, x2, y2, colour, width
    )


def box(x1, y1, x2, y2, colour):
    """Draw a filled rectangle."""
    return Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="2" fill="{}"/>').format(
        x1, y1, max(0, x2 - x1), y2 - y1, colour
    )


def bar(x1, y1, x2, y2, colour, title):
    """Draw a filled rectangle with a tooltip."""
    shape = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}">').format(
        x1, y1, max(0.6, x2 - x1), max(0, y2 - y1), colour
    )
    return shape + Markup("<title>{}</title></rect>").format(title)


def path(spots, colour, width, opacity: float = 1, title="", dashed=False):
    """Draw a line through points, with a tooltip."""
    return Markup(
        '<polyline points="{}" fill="none" stroke="{}" stroke-width="{}" opacity="{}"{}><title>{}</title></polyline>'
    ).format(
        " ".join(f"{x:.1f},{y:.1f}" for x, y in spots), colour, width, opacity,
        Markup(' stroke-dasharray="4 3"') if dashed else "", title,
    )  # fmt: skip


def mark(x, y, look, title):
    """Draw a point with the look of a `Mark`, with a tooltip."""
    style = Markup('fill="{}" stroke="{}" stroke-width="1.6" opacity="{}"').format(
        look.colour if look.filled else "#fff", look.colour, look.opacity
    )
    if look.shape == "circle":
        opening = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" {}>').format(x, y, look.size, style)
        return opening + Markup("<title>{}</title></circle>").format(title)
    corners = " ".join(f"{x + look.size * a:.1f},{y + look.size * b:.1f}" for a, b in CORNERS[look.shape])
    return Markup('<polygon points="{}" {}><title>{}</title></polygon>').format(corners, style, title)


def dots(spots, colour, size=2.6):
    """Draw many points as one path, with a few bytes each and without tooltips."""
    strokes = "".join(f"M{x:.1f} {y:.1f}h0" for x, y in spots)
    look = 'fill="none" stroke="{}" stroke-width="{}" stroke-linecap="round" opacity="0.6"'
    return Markup('<path d="{}" ' + look + "/>").format(strokes, colour, 2 * size)


def link(address, inner):
    """Link a part to another page; without an address, return the part alone."""
    return Markup('<a href="{}">{}</a>').format(address, inner) if address else inner
