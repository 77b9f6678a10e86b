"""Slices of volumes laid out on black: rows of views with outlines, fills, numbers and letters.

A row is (label, data, voxel sizes in mm, views, layers). A view is (axis, index), or (axis, index,
data, title) with data of its own. A layer is ("line", volume, colour), drawn where the volume crosses
0.5, ("fill", volume, {value: colour}) or ("number", volume, None), all on the row's grid, RAS+.
"""

import numpy as np
from matplotlib import colors
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from neurograft import images

AXIAL, CORONAL, SAGITTAL = 2, 1, 0
EDGES = {AXIAL: ("R", "L"), CORONAL: ("R", "L"), SAGITTAL: ("A", "P")}
FILL = 0.55
INCHES = 2.05


def read_finite(scan):
    """Give an image's data with every odd number as zero, so that windows and contours exist."""
    data = np.asanyarray(scan.dataobj).astype(np.float32)
    return data if np.isfinite(data).all() else np.nan_to_num(data, nan=0, posinf=0, neginf=0)


def crop_head(scan):
    """Crop an image to the head: its data, the crop as slices, the voxel sizes in mm."""
    data = read_finite(scan)
    strong = data > 0.15 * np.percentile(data, 99)
    cut = images.grid_box(strong, margin=2) if strong.any() else (slice(None),) * 3
    return data[cut], cut, np.linalg.norm(scan.affine[:3, :3], axis=0)


def choose_evenly(inside):
    """Choose three axial slices and a sagittal one, evenly over the mask (or the whole image)."""
    box = images.grid_box(inside if inside.any() else np.ones(inside.shape, bool))
    at = [int(box[2].start + share * (box[2].stop - 1 - box[2].start)) for share in (0.32, 0.52, 0.72)]
    side = int(box[0].start + 0.46 * (box[0].stop - 1 - box[0].start))
    return [(AXIAL, index) for index in at] + [(SAGITTAL, side)]


def choose_by_weight(weight, data, sizes):
    """Choose the three axial slices with most weight, 8 mm apart, and the best coronal slice."""
    if not weight.any():
        return [*choose_evenly(data != 0)[:3], (CORONAL, data.shape[1] // 2)]
    profile = weight.sum(axis=(0, 1))
    apart = max(1, round(8 / sizes[2]))
    chosen = []
    for index in np.argsort(-profile, kind="stable"):
        if profile[index] > 0 and len(chosen) < 3 and all(abs(index - other) >= apart for other in chosen):
            chosen.append(int(index))
    return [(AXIAL, index) for index in sorted(chosen)] + [(CORONAL, int(weight.sum(axis=(0, 2)).argmax()))]


def lay_out(rows, title, simulated, entries):
    """Lay rows of views out on black, with a title and a legend, and return the figure."""
    columns = max([len(row[3]) for row in rows] or [1])
    fields = [[_field(data, sizes, axis) for axis, *_ in views] for _, data, sizes, views, _ in rows]
    widths = [max(field[i][1] for field in fields if i < len(field)) for i in range(columns)] if rows else [1]
    heights = [max(field[3] for field in row) for row in fields] or [1]
    # many rows get smaller panels, so that the file stays small without shrinking the letters
    inches = INCHES * min(1, (2.8 / max(1, len(rows))) ** 0.5)
    wide = columns * inches + 0.4
    tall = columns * inches * sum(heights) / sum(widths) + 0.75
    figure = Figure(figsize=(wide, tall), facecolor="black")
    figure.suptitle(
        title + ("  ·  SIMULATED" if simulated else ""),
        color="white",
        fontsize=10,
        x=0.01,
        ha="left",
        y=1 - 0.06 / tall,
        parse_math=False,
    )
    grid = figure.add_gridspec(
        len(heights), columns, left=0.4 / wide, right=0.998, bottom=0.36 / tall, top=1 - 0.36 / tall,
        wspace=0.02, hspace=0.02, width_ratios=widths, height_ratios=heights,
    )  # fmt: skip
    for number, (label, data, sizes, views, layers) in enumerate(rows):
        for column, (axis, index, *own) in enumerate(views):
            axes = figure.add_subplot(grid[number, column])
            _panel(axes, own[0] if own else data, sizes, axis, index, layers)
            words = own[1] if own else ""
            axes.set_title(words, color="white", fontsize=8, y=1, pad=-9, loc="left", parse_math=False)
            axes.set_ylabel("" if column else label, color="white", fontsize=9, parse_math=False)
    sides = Line2D([], [], alpha=0, label="R right, L left, A front, P back of the patient")
    figure.legend(
        handles=[*entries, sides], loc="lower left", ncols=len(entries) + 1, fontsize=7.5, frameon=False,
        labelcolor="white", borderaxespad=0.2, columnspacing=1.1, handlelength=1.3, handletextpad=0.4,
    )  # fmt: skip
    return figure


def _panel(axes, data, sizes, axis, index, layers):
    """Draw one slice, its overlays and the letters of its sides."""
    field = _field(data, sizes, axis)
    drawn = [volume for kind, volume, _ in layers if kind == "line" and volume.dtype == bool and volume.any()]
    inside = data[drawn[0] & (data != 0)] if drawn else data[data != 0]
    low, high = np.percentile(inside, (0.5, 99.7)) if inside.size else (0, 1)
    low = min(low, 0)
    axes.imshow(
        _cut(data, axis, index), origin="lower", extent=field, cmap="gray", vmin=low, vmax=max(high, low + 1e-6)
    )
    for kind, volume, look in layers:
        flat = _cut(volume, axis, index)
        if kind == "fill":
            for value, colour in look.items():
                shade = np.zeros((*flat.shape, 4))
                shade[flat == value] = colors.to_rgba(colour, FILL)
                axes.imshow(shade, origin="lower", extent=field, interpolation="nearest")
        elif kind == "line" and flat.max() > 0.5 > flat.min() and min(flat.shape) > 1:
            axes.contour(flat.astype(float), [0.5], colors=[look], linewidths=0.9, extent=field, origin="lower")
        elif kind == "number":
            _number(axes, flat, field)
    for letter, spot, align in zip(EDGES[axis], (0.015, 0.985), ("left", "right"), strict=True):
        axes.text(
            spot, 0.5, letter, transform=axes.transAxes, color="white", fontsize=8, va="center", ha=align,
            fontweight="bold",
        )  # fmt: skip
    axes.set(xticks=[], yticks=[], facecolor="black", aspect="equal", xlim=field[:2], ylim=field[2:])
    axes.spines[:].set_visible(False)


def _number(axes, flat, field):
    """Write each rank at the middle of its area."""
    for rank in np.unique(flat[flat > 0]):
        spots = np.argwhere(flat == rank)
        row, column = spots[np.abs(spots - spots.mean(axis=0)).sum(axis=1).argmin()] + 0.5
        axes.text(
            column / flat.shape[1] * field[1], row / flat.shape[0] * field[3], str(int(rank)), color="white",
            fontsize=7, ha="center", va="center", fontweight="bold",
        )  # fmt: skip


def _cut(volume, axis, index):
    """Cut one slice of a RAS+ volume: rows upwards, columns as the reader sees them."""
    if axis == SAGITTAL:
        return volume[index, ::-1, :].T
    return (volume[::-1, :, index] if axis == AXIAL else volume[::-1, index, :]).T


def _field(data, sizes, axis):
    """Give a panel's extent in mm as (0, width, 0, height)."""
    across, up = [(1, 2), (0, 2), (0, 1)][axis]
    return 0, float(data.shape[across] * sizes[across]), 0, float(data.shape[up] * sizes[up])
