"""Figures of one subject for the report: brain masks, alignment, tumour candidates, segmentations."""

import io
import itertools
from pathlib import Path

import nibabel as nib
import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image
from scipy import ndimage

from neurograft.cohort.subject_status import SubjectStatus
from neurograft.core import files, tables
from neurograft.core.labels import ALL
from neurograft.core.sequences import list_sequences
from neurograft.imaging import derivatives, nifti, resampling
from neurograft.imaging.typed import load_nifti

AXIAL, CORONAL, SAGITTAL = 2, 1, 0
EDGES = {AXIAL: ("R", "L"), CORONAL: ("R", "L"), SAGITTAL: ("A", "P")}
FILL = 0.55
INCHES = 2.05
LEAST_WIDE = 6.0  # inches


def read_finite(scan):
    """Return an image's data with NaN and infinity set to zero, so that windows and contours can be computed."""
    data = np.asanyarray(scan.dataobj).astype(np.float32)
    return data if np.isfinite(data).all() else np.nan_to_num(data, nan=0, posinf=0, neginf=0)


def crop_head(scan):
    """Crop an image to the head; return the data, the crop as slices, and the voxel sizes in mm."""
    data = read_finite(scan)
    strong = data > 0.15 * np.percentile(data, 99)
    cut = resampling.grid_box(strong, margin=2) if strong.any() else (slice(None),) * 3
    return data[cut], cut, np.linalg.norm(scan.affine[:3, :3], axis=0)


def choose_evenly(inside, sizes=(1, 1, 1)):
    """Choose three axial slices and a sagittal one, evenly over the mask or image; of a flat stack four axial ones."""
    box = resampling.grid_box(inside if inside.any() else np.ones(inside.shape, bool))
    if _is_flat(inside.shape, sizes):
        spread = np.linspace(box[2].start, box[2].stop - 1, min(4, box[2].stop - box[2].start))
        return [(AXIAL, int(index)) for index in spread.round()]
    at = [int(box[2].start + share * (box[2].stop - 1 - box[2].start)) for share in (0.32, 0.52, 0.72)]
    side = int(box[0].start + 0.46 * (box[0].stop - 1 - box[0].start))
    return [(AXIAL, index) for index in at] + [(SAGITTAL, side)]


def choose_by_weight(weight, data, sizes):
    """Choose the three axial slices with most weight, 8 mm apart, and the best coronal slice; of a flat stack four."""
    flat = _is_flat(data.shape, sizes)
    if not weight.any():
        return (
            choose_evenly(data != 0, sizes) if flat else [*choose_evenly(data != 0)[:3], (CORONAL, data.shape[1] // 2)]
        )
    profile = weight.sum(axis=(0, 1))
    most, apart = (4, max(1, len(profile) // 6)) if flat else (3, max(1, round(8 / sizes[2])))
    chosen = []
    for index in np.argsort(-profile, kind="stable"):
        if profile[index] > 0 and len(chosen) < most and all(abs(index - other) >= apart for other in chosen):
            chosen.append(int(index))
    axial = [(AXIAL, index) for index in sorted(chosen)]
    return axial if flat else [*axial, (CORONAL, int(weight.sum(axis=(0, 2)).argmax()))]


def _is_flat(shape, sizes):
    """Check whether an image has too few slices for a useful side view."""
    x, y, z = np.array(shape) * sizes
    return z < min(x, y) / 3


def lay_out(rows, title, simulated, entries):
    """Arrange rows of views on a black figure with a title and a legend."""
    columns = max([len(row[3]) for row in rows] or [1])
    fields = [[_field(data, sizes, axis) for axis, *_ in views] for _, data, sizes, views, _ in rows]
    widths = [max(field[i][1] for field in fields if i < len(field)) for i in range(columns)] if rows else [1]
    heights = [max(field[3] for field in row) for row in fields] or [1]
    # with many rows, panels are smaller, so that the file stays small without a smaller font
    inches = INCHES * min(1, (2.8 / max(1, len(rows))) ** 0.5)
    # wide enough for the title and the legend even with one panel
    wide = max(columns * inches + 0.4, LEAST_WIDE)
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
        len(heights), columns, left=0.4 / wide, right=min(0.998, (0.4 + columns * inches) / wide),
        bottom=0.36 / tall, top=1 - 0.36 / tall,
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
    """Draw one slice with its overlays and the letters of its sides."""
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
    """Write each rank in the middle of its area."""
    for rank in np.unique(flat[flat > 0]):
        spots = np.argwhere(flat == rank)
        row, column = spots[np.abs(spots - spots.mean(axis=0)).sum(axis=1).argmin()] + 0.5
        axes.text(
            column / flat.shape[1] * field[1], row / flat.shape[0] * field[3], str(int(rank)), color="white",
            fontsize=7, ha="center", va="center", fontweight="bold",
        )  # fmt: skip


def _cut(volume, axis, index):
    """Extract one slice of a RAS+ volume, with rows upwards and columns as displayed."""
    if axis == SAGITTAL:
        return volume[index, ::-1, :].T
    return (volume[::-1, :, index] if axis == AXIAL else volume[::-1, index, :]).T


def _field(data, sizes, axis):
    """Compute a panel's extent in mm as (0, width, 0, height)."""
    across, up = [(1, 2), (0, 2), (0, 1)][axis]
    return 0, float(data.shape[across] * sizes[across]), 0, float(data.shape[up] * sizes[up])


NAMES = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR"}
# the colour-blind-safe palette of Okabe and Ito
YELLOW, SKY, ORANGE, VERMILION, PURPLE, GREEN = "#F0E442", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7", "#009E73"
TISSUES = {"necrosis": VERMILION, "oedema": SKY, "enhancing": YELLOW, "tumour": SKY}
TISSUES |= {"nonenhancing": ORANGE, "cyst": PURPLE, "cavity": GREEN}
# colours of other labels; orange is for the delivered outline
LABELS = (YELLOW, SKY, VERMILION, GREEN, PURPLE)
OPINIONS = {1: ORANGE, 2: PURPLE}
DOUBTS = {1: PURPLE, 2: VERMILION}  # probability 0.1 to 0.9, and 0.25 to 0.75
RANKS = (YELLOW, SKY, ORANGE, PURPLE, GREEN)
BRATS = {"necrosis": 1, "oedema": 2, "enhancing": 4}
DOTS = 110


def draw_quality(scans, masks, registered=None, template=None, title="", simulated=False, disagreement=None):
    """Draw the brain mask's outline on every sequence and the template's on the registered images.

    Parameters
    ----------
    scans : dict of str to image
        The sequences as scanned, each on its own grid.
    masks : dict of str to image
        Brain mask of each sequence on its grid; a sequence without one has no outline.
    registered : dict of str to image, optional
        The sequences (and `brain`) on the template's grid.
    template : image, optional
        The skull-stripped template on that grid.
    title : str
    simulated : bool
        Mark the figure as simulated.
    disagreement : dict of str to image, optional
        For a sequence with a second skull-stripping: 1 where only the first engine finds brain, 2 where only the
        second does.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each sequence as scanned, with three axial slices and a sagittal one. Then the same for the first
        registered sequence, and one slice of every registered sequence, all with the template's outline.
    """
    differ = disagreement or {}
    shown = list_sequences(scans)
    rows = [_native_row(name, scans[name], masks.get(name), differ.get(name)) for name in shown]
    entries: list[Artist] = [Line2D([], [], color=YELLOW, label="brain mask of this sequence")] if masks else []
    if differ:
        entries.append(Patch(color=OPINIONS[1], label="brain in this mask only"))
        entries.append(Patch(color=OPINIONS[2], label="brain in the second opinion only"))
    if list_sequences(registered or {}):
        rows += _registered_rows(registered, template)
    if registered and template is not None:
        entries.append(Line2D([], [], color=SKY, label="template's outline"))
    return lay_out(rows, title or "Brain masks and alignment", simulated, entries)


def draw_candidates(scans, candidates, labels=None, shown=5, title="", simulated=False):
    """Draw the first candidates, numbered by rank, on the slices where they are largest.

    Parameters
    ----------
    scans : dict of str to image
        Registered or normalised sequences on one grid.
    candidates : image
        Label image of the ranks; 1 is the most suspicious.
    labels : image, optional
        Tumour labels on the same grid; their outline is drawn in white.
    shown : int
        Number of ranks to draw, at most 5.

    Returns
    -------
    matplotlib.figure.Figure
    """
    ranks = np.asanyarray(candidates.dataobj)
    ranks = np.where(ranks <= min(shown, len(RANKS)), ranks, 0)
    truth = np.zeros(ranks.shape, bool) if labels is None else np.asanyarray(labels.dataobj) > 0
    base = [name for name in ("flair", "t1c", "t2", "t1") if name in scans][:2]
    rows = []
    for name in base:
        data, cut, sizes = crop_head(scans[name])
        layers = [("fill", ranks[cut], dict(enumerate(RANKS, 1))), ("number", ranks[cut], None)]
        views = choose_by_weight((ranks > 0)[cut], data, sizes)
        rows.append((NAMES[name], data, sizes, views, [*layers, ("line", truth[cut], "white")]))
    drawn = [rank for rank in range(1, len(RANKS) + 1) if (ranks == rank).any()]
    entries = [Patch(color=RANKS[rank - 1], label=f"rank {rank}") for rank in drawn]
    entries += [Line2D([], [], color="white", label="tumour, as labelled")] if labels is not None else []
    entries += [] if drawn else [Line2D([], [], alpha=0, label="no candidate was found")]
    return lay_out(rows, title or "Tumour candidates", simulated, entries)


def draw_segmentation(reference, predicted, truth=None, scheme=None, title="", simulated=False, chances=None):
    """Draw the delivered segmentation and, below it, its outline and that of the labels, and where it is in doubt.

    Parameters
    ----------
    reference : image
        The reference sequence as scanned.
    predicted : image
        Delivered segmentation on the same grid.
    truth : image, optional
        The dataset's own labels on the same grid.
    scheme : dict of str to int, optional
        Tissue or label name to value; by default BraTS 2018 (1, 2, 4).
    chances : image, optional
        Probabilities of the whole on the same grid.

    Returns
    -------
    matplotlib.figure.Figure
        The slices with the largest segmented area: tissues as colours, then prediction and truth as outlines (or the
        bare image if there is no truth), then places with probabilities that are neither low nor high.
    """
    scheme = scheme or BRATS
    fills, whole = colour_tissues(scheme), _name_whole(scheme)
    entries: list[Artist] = [Patch(color=fills[value], label=name) for name, value in scheme.items()]
    data, cut, sizes = crop_head(reference)
    delivered = np.asanyarray(predicted.dataobj)
    labelled = delivered * 0 if truth is None else np.asanyarray(truth.dataobj)
    views = choose_by_weight(((delivered > 0).astype(int) + (labelled > 0))[cut], data, sizes)
    rows = [
        ("delivered", data, sizes, views, [("fill", delivered[cut], fills)]),
        ("bare image", data, sizes, views, []),
    ]
    litres = np.prod(sizes) / 1000
    note = f"{title or 'Segmentation'}: delivered {np.count_nonzero(delivered) * litres:.1f} ml"
    if truth is not None:
        both = np.count_nonzero(delivered) + np.count_nonzero(labelled)
        dice = 2 * np.count_nonzero((delivered > 0) & (labelled > 0)) / both if both else 1.0
        note += f", labelled {np.count_nonzero(labelled) * litres:.1f} ml, {whole} Dice {dice:.2f}"
        # floats, not booleans, so that the grey window is that of the whole image, as above
        outlines = [("line", 1.0 * (delivered > 0)[cut], ORANGE), ("line", 1.0 * (labelled > 0)[cut], "white")]
        rows[1] = ("outlines", data, sizes, views, outlines)
        entries.append(Line2D([], [], color=ORANGE, label="delivered"))
        entries.append(Line2D([], [], color="white", label="as labelled"))
    if chances is not None:
        values = np.asanyarray(chances.dataobj)
        doubt = 1 * ((values >= 0.1) & (values <= 0.9)) + ((values >= 0.25) & (values <= 0.75))
        rows.append(("doubt", data, sizes, views, [("fill", doubt[cut], DOUBTS)]))
        entries += [Patch(color=colour, label=label) for colour, label in zip(DOUBTS.values(), ("unsure", "in doubt"))]
    return lay_out(rows, note, simulated, entries)


def colour_tissues(scheme):
    """Map label values to colours: fixed ones for tumour tissues, a cycle of colours for other labels."""
    if set(scheme) <= set(TISSUES):
        return {value: TISSUES[name] for name, value in scheme.items()}
    return dict(zip(scheme.values(), itertools.cycle(LABELS)))


def _name_whole(scheme):
    """Name the union of all labels of a scheme."""
    if set(scheme) <= set(TISSUES):
        return "whole-tumour"
    return "all-labels" if len(scheme) > 1 else next(iter(scheme))


def draw_defaced(cut, title="", simulated=False):
    """Draw defaced images, and the front of the head before and after.

    Parameters
    ----------
    cut : dict of str to (image, ndarray of bool)
        Sequence to the whole image on its own grid, and to the mask of the face.
    title : str
    simulated : bool

    Returns
    -------
    matplotlib.figure.Figure
        A row for each sequence: a sagittal slice through the middle and one through an eye, both without the face;
        then the surface of the head from the front, with and without the face.
    """
    rows = []
    for name, (scan, face) in cut.items():
        whole = nib.as_closest_canonical(scan)
        gone = np.asanyarray(nib.as_closest_canonical(nib.Nifti1Image(face.astype(np.uint8), scan.affine)).dataobj) > 0
        before, box, sizes = crop_head(whole)
        after = np.where(gone[box], 0, before)
        level = 0.2 * np.percentile(before, 99)
        fronts = [
            (CORONAL, 0, _see_front(data, level), words) for data, words in ((before, "as it was"), (after, "shared"))
        ]
        sides = [(SAGITTAL, int(share * before.shape[0]), after, "shared") for share in (0.5, 0.35)]
        rows.append((NAMES.get(name, name), before, sizes, [*sides, *fronts], []))
    return lay_out(rows, title, simulated, [])


def _see_front(data, level):
    """Shade the front view of a head by the nearness of its surface, shape (X, 1, Z)."""
    head = ndimage.uniform_filter(data, 3) > level
    near = np.where(head.any(axis=1), head.shape[1] - np.argmax(head[:, ::-1], axis=1), 0)
    # the posterior half of the head has no shading
    return np.maximum(near - 0.5 * head.shape[1], 0)[:, None, :].astype(np.float32)


def save_figure(figure, path, kilobytes=150):
    """Write a figure atomically as a palette PNG of at most `kilobytes`, so that a cohort's report stays small.

    The number of greys is reduced first, then the size.
    """
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=DOTS, facecolor=figure.get_facecolor())
        full = Image.open(buffer).convert("RGB")
    with files.whole(path) as part:
        for shrink, shades in ((1, 96), (1, 40), (1, 24), (0.9, 24), (0.8, 24), (0.7, 24), (0.55, 24), (0.3, 16)):
            size = max(1, round(full.width * shrink)), max(1, round(full.height * shrink))
            small = full.resize(size, Image.Resampling.LANCZOS) if shrink < 1 else full
            _to_palette(small, shades).save(part, format="PNG", optimize=True)
            if part.stat().st_size <= kilobytes * 1000:
                break


def _to_palette(picture, shades):
    """Reduce to `shades` greys and, for each overlay colour, its mixtures with grey.

    The palette is fixed, because a fitted one may draw a thin outline in the colour of another.
    """
    greys = np.linspace(0, 255, shades)[:, None].repeat(3, axis=1)
    mixtures = [
        share * 255 * np.array(colors.to_rgb(colour)) + (1 - share) * grey
        for colour in (YELLOW, SKY, ORANGE, VERMILION, PURPLE, GREEN)
        for share, levels in ((FILL, 8), (0.3, 3), (0.6, 3), (0.8, 3), (1.0, 1))
        for grey in np.linspace(0, 255, levels)
    ]
    key = Image.new("P", (1, 1))
    key.putpalette(np.concatenate([greys, mixtures]).round().astype(np.uint8).ravel().tolist())
    return picture.quantize(palette=key, dither=Image.Dither.NONE)


def _native_row(name, scan, mask, differ=None):
    """Make the row of one sequence as scanned: label, data, voxel sizes, views, layers."""
    data, cut, sizes = crop_head(scan)
    inside = np.zeros(data.shape, bool) if mask is None else (np.asanyarray(mask.dataobj) > 0)[cut]
    layers = [] if differ is None else [("fill", np.asanyarray(differ.dataobj)[cut], OPINIONS)]
    views = choose_evenly(inside, sizes)
    return f"{NAMES.get(name, name)}\nas scanned", data, sizes, views, [*layers, ("line", inside, YELLOW)]


def _registered_rows(registered, template):
    """Make the rows on the template's grid: one sequence in four views, and all sequences in one view."""
    aligned = list_sequences(registered)
    first = registered[aligned[0]]
    data, cut, sizes = crop_head(first)
    layers = []
    if template is not None:
        shape = read_finite(template)[cut]
        # a level between fluid and tissue also shows the ventricles, which help to judge the alignment
        level = 0.55 * np.median(shape[shape > 0]) if (shape > 0).any() else 1
        layers = [("line", shape / (2 * level), SKY)]
    views = choose_evenly(data != 0, sizes)
    rows: list[tuple] = [(f"{NAMES.get(aligned[0], aligned[0])}\nregistered", data, sizes, views, layers)]
    if len(aligned) > 1:
        shown = [
            (*views[min(1, len(views) - 1)], read_finite(registered[name])[cut], NAMES.get(name, name))
            for name in aligned
        ]
        rows.append(("all\nregistered", data, sizes, shown, layers))
    return rows


def draw_subject(folder, status: SubjectStatus, scans, registered, stem, space_stem, template=None):
    """Draw quality, candidates and, if one was delivered, the segmentation of a subject.

    Parameters
    ----------
    folder : str or Path
        Folder of the figures, written atomically.
    status : SubjectStatus
    scans, registered : dict of str to nibabel.Nifti1Image
        As imported, with `labels` if there are any, and as registered.
    stem, space_stem : str
        The subject's stems (`derivatives`) on native grids and in template space; `space_stem` is empty if no
        candidates were proposed.
    template : nibabel.Nifti1Image, optional
        The template on the registered grid.
    """
    sequences = {name: scans[name] for name in status["sequences"]}
    simulated = status["layout"] == "phantom"
    common = {"title": f"sub-{status['subject']}", "simulated": simulated}
    if status.get("prepared"):
        # there is no brain mask, and the registered images are the given ones
        masks, aligned = {}, {}
    else:
        masks, aligned = derivatives.read_masks(stem, sequences), registered
    differ = derivatives.read_disagreement(stem)
    disagreement = {} if differ is None else {status["reference"]: differ}
    drawn = {"quality": draw_quality(sequences, masks, aligned, template, disagreement=disagreement, **common)}
    if space_stem:
        candidates = nifti.read_image(derivatives.candidates_file(space_stem))
        normalized = derivatives.read_normalized(space_stem)
        drawn["candidates"] = draw_candidates(normalized, candidates, registered.get("labels"), **common)
    if Path(derivatives.segmentation_file(stem)).exists():
        drawn["segmentation"] = _draw_delivered(stem, status, scans, common)
    with files.whole(folder) as part:
        part.mkdir()
        for name, figure in drawn.items():
            save_figure(figure, part / f"{name}.png")


def _draw_delivered(stem, status, scans, common):
    """Draw the delivered segmentation on the reference, with the labels, resampled to its grid if necessary."""
    reference = scans[status["reference"]]
    truth = scans.get("labels")
    same = truth is None or (truth.shape == reference.shape and np.allclose(truth.affine, reference.affine, atol=1e-3))
    if not same:
        truth = resampling.resample_labels(truth, reference.shape, reference.affine)
    predicted = nifti.onto_axes(load_nifti(derivatives.segmentation_file(stem)), reference.affine)
    tissues = tables.read_table(derivatives.segmentation_table_file(stem))
    scheme = {row["name"]: int(row["index"]) for row in tissues if row["name"] != "background"}
    # of the whole: the first region that there is
    named = (derivatives.probability_file(stem, region) for region in ("WT", ALL, *scheme))
    whole = next((path for path in named if Path(path).exists()), None)
    chances = whole and nifti.onto_axes(load_nifti(whole), reference.affine)
    return draw_segmentation(reference, predicted, truth, scheme, **common, chances=chances)
