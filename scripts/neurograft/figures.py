"""Pictures of one subject: brain masks, alignment, tumour candidates and segmentations.

Every picture is radiological (the patient's right is on the left, with the letters to say so),
shows voxels in their true proportions, and survives strange data: an empty mask or a constant
image gives a picture that says so, never an exception.
"""

import io

import nibabel as nib
import numpy as np
from matplotlib import colors
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from PIL import Image
from scipy import ndimage

from neurograft import images, panels

NAMES = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR"}
# Okabe and Ito's colours, told apart also by colour-blind readers
YELLOW, SKY, ORANGE, VERMILION, PURPLE, GREEN = "#F0E442", "#56B4E9", "#E69F00", "#D55E00", "#CC79A7", "#009E73"
TISSUES = {"necrosis": VERMILION, "oedema": SKY, "enhancing": YELLOW, "tumour": SKY}
RANKS = (YELLOW, SKY, ORANGE, PURPLE, GREEN)
BRATS = {"necrosis": 1, "oedema": 2, "enhancing": 4}
DOTS = 110


def draw_quality(scans, masks, registered=None, template=None, title="", simulated=False):
    """Draw the brain mask's outline on every sequence and the template's on the registered images.

    Parameters
    ----------
    scans : dict of str to image
        The sequences as scanned, each on its own grid.
    masks : dict of str to image
        Brain mask of each sequence on the same grid; a sequence without one is shown without outline.
    registered : dict of str to image, optional
        The sequences (and `brain`) on the template's grid.
    template : image, optional
        The template, skull-stripped, on that grid.
    title : str
    simulated : bool
        Say so in the picture.

    Returns
    -------
    matplotlib.figure.Figure
        A row for each sequence as scanned: three axial slices and a sagittal one. Then the first
        registered sequence in the same manner, and one slice of every registered sequence, with
        the template's outline.
    """
    rows = [_native_row(name, scans[name], masks.get(name)) for name in images.SEQUENCES if name in scans]
    entries = [Line2D([], [], color=YELLOW, label="brain mask of this sequence")]
    if any(name in images.SEQUENCES for name in registered or {}):
        rows += _registered_rows(registered, template)
    if registered and template is not None:
        entries.append(Line2D([], [], color=SKY, label="template's outline"))
    return panels.lay_out(rows, title or "Brain masks and alignment", simulated, entries)


def draw_candidates(scans, candidates, labels=None, shown=5, title="", simulated=False):
    """Draw the first candidates, numbered by rank, on the slices where they are largest.

    Parameters
    ----------
    scans : dict of str to image
        Registered or normalised sequences on one grid.
    candidates : image
        Label image of the ranks, 1 the most suspicious.
    labels : image, optional
        Tumour labels on the same grid; their outline is drawn in white.
    shown : int
        How many ranks are drawn, at most 5.

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
        data, cut, sizes = panels.crop_head(scans[name])
        layers = [("fill", ranks[cut], dict(enumerate(RANKS, 1))), ("number", ranks[cut], None)]
        views = panels.choose_by_weight((ranks > 0)[cut], data, sizes)
        rows.append((NAMES[name], data, sizes, views, [*layers, ("line", truth[cut], "white")]))
    found = [rank for rank in range(1, len(RANKS) + 1) if (ranks == rank).any()]
    entries = [Patch(color=RANKS[rank - 1], label=f"rank {rank}") for rank in found]
    entries += [Line2D([], [], color="white", label="tumour, as labelled")] if labels is not None else []
    entries += [] if found else [Line2D([], [], alpha=0, label="no candidate was found")]
    return panels.lay_out(rows, title or "Tumour candidates", simulated, entries)


def draw_segmentation(reference, predicted, truth=None, scheme=None, title="", simulated=False):
    """Draw the delivered segmentation, above its outline beside the labelled one.

    Parameters
    ----------
    reference : image
        The reference sequence as scanned.
    predicted : image
        Delivered segmentation on the same grid.
    truth : image, optional
        The dataset's own labels on the same grid.
    scheme : dict of str to int, optional
        Tissue to label value; BraTS 2018 (1, 2, 4) if absent.

    Returns
    -------
    matplotlib.figure.Figure
        Slices with the most tumour: tissues as colours, then prediction and truth as outlines
        (or the bare image where there is no truth).
    """
    fills = {value: TISSUES.get(name, PURPLE) for name, value in (scheme or BRATS).items()}
    entries = [Patch(color=fills[value], label=name) for name, value in (scheme or BRATS).items()]
    data, cut, sizes = panels.crop_head(reference)
    found = np.asanyarray(predicted.dataobj)
    known = found * 0 if truth is None else np.asanyarray(truth.dataobj)
    views = panels.choose_by_weight(((found > 0).astype(int) + (known > 0))[cut], data, sizes)
    rows = [("delivered", data, sizes, views, [("fill", found[cut], fills)]), ("bare image", data, sizes, views, [])]
    litres = np.prod(sizes) / 1000
    note = f"{title or 'Segmentation'}: delivered {np.count_nonzero(found) * litres:.1f} ml"
    if truth is not None:
        both = np.count_nonzero(found) + np.count_nonzero(known)
        dice = 2 * np.count_nonzero((found > 0) & (known > 0)) / both if both else 1.0
        note += f", labelled {np.count_nonzero(known) * litres:.1f} ml, whole-tumour Dice {dice:.2f}"
        outlines = [("line", (found > 0)[cut], ORANGE), ("line", (known > 0)[cut], "white")]
        rows[1] = ("outlines", data, sizes, views, outlines)
        entries.append(Line2D([], [], color=ORANGE, label="delivered"))
        entries.append(Line2D([], [], color="white", label="as labelled"))
    return panels.lay_out(rows, note, simulated, entries)


def draw_defaced(cut, title="", simulated=False):
    """Draw defaced images, and the front of the head before and after.

    Parameters
    ----------
    cut : dict of str to (image, ndarray of bool)
        Sequence to the whole image, on its own grid, and to where the face was.
    title : str
    simulated : bool

    Returns
    -------
    matplotlib.figure.Figure
        A row a sequence: a slice through the middle and one through an eye, seen from the side, without the face;
        then how near the head comes to someone in front of it, with the face and without.
    """
    rows = []
    for name, (scan, face) in cut.items():
        whole = nib.as_closest_canonical(scan)
        gone = np.asanyarray(nib.as_closest_canonical(nib.Nifti1Image(face.astype(np.uint8), scan.affine)).dataobj) > 0
        before, box, sizes = panels.crop_head(whole)
        after = np.where(gone[box], 0, before)
        level = 0.2 * np.percentile(before, 99)
        fronts = [
            (panels.CORONAL, 0, _see_front(data, level), words)
            for data, words in ((before, "as it was"), (after, "shared"))
        ]
        sides = [(panels.SAGITTAL, int(share * before.shape[0]), after, "shared") for share in (0.5, 0.35)]
        rows.append((NAMES[name], before, sizes, [*sides, *fronts], []))
    return panels.lay_out(rows, title, simulated, [])


def _see_front(data, level):
    """Shade a head by how near its surface is to someone in front, shape (X, 1, Z)."""
    head = ndimage.uniform_filter(data, 3) > level
    near = np.where(head.any(axis=1), head.shape[1] - np.argmax(head[:, ::-1], axis=1), 0)
    # nothing farther back than half of the head is told apart
    return np.maximum(near - 0.5 * head.shape[1], 0)[:, None, :].astype(np.float32)


def save_figure(figure, path, kilobytes=150):
    """Write a figure as a palette PNG of at most `kilobytes`, whole or not at all.

    Greys are reduced first, then the picture shrinks, so that a cohort's report stays small.
    """
    with io.BytesIO() as buffer:
        figure.savefig(buffer, format="png", dpi=DOTS, facecolor=figure.get_facecolor())
        full = Image.open(buffer).convert("RGB")
    with images.whole(path) as part:
        for shrink, shades in ((1, 96), (1, 40), (1, 24), (0.9, 24), (0.8, 24), (0.7, 24), (0.55, 24), (0.3, 16)):
            size = tuple(max(1, round(length * shrink)) for length in full.size)
            small = full.resize(size, Image.Resampling.LANCZOS) if shrink < 1 else full
            _to_palette(small, shades).save(part, format="PNG", optimize=True)
            if part.stat().st_size <= kilobytes * 1000:
                break


def _to_palette(picture, shades):
    """Reduce to `shades` greys and, for each overlay colour, its mixtures with grey.

    The palette is fixed, not fitted: a fitted one gives a thin outline another outline's colour.
    """
    greys = np.linspace(0, 255, shades)[:, None].repeat(3, axis=1)
    mixtures = [
        share * 255 * np.array(colors.to_rgb(colour)) + (1 - share) * grey
        for colour in (YELLOW, SKY, ORANGE, VERMILION, PURPLE, GREEN)
        for share, levels in ((panels.FILL, 8), (0.3, 3), (0.6, 3), (0.8, 3), (1.0, 1))
        for grey in np.linspace(0, 255, levels)
    ]
    key = Image.new("P", (1, 1))
    key.putpalette(np.concatenate([greys, mixtures]).round().astype(np.uint8).ravel().tolist())
    return picture.quantize(palette=key, dither=Image.Dither.NONE)


def _native_row(name, scan, mask):
    """Give one sequence as scanned: label, data, voxel sizes, views, layers."""
    data, cut, sizes = panels.crop_head(scan)
    inside = np.zeros(data.shape, bool) if mask is None else (np.asanyarray(mask.dataobj) > 0)[cut]
    return f"{NAMES[name]}\nas scanned", data, sizes, panels.choose_evenly(inside), [("line", inside, YELLOW)]


def _registered_rows(registered, template):
    """Give the rows on the template's grid: one sequence in four views, all sequences in one."""
    aligned = [name for name in images.SEQUENCES if name in registered]
    first = registered[aligned[0]]
    data, cut, sizes = panels.crop_head(first)
    layers = []
    if template is not None:
        shape = panels.read_finite(template)[cut]
        # a level between fluid and tissue shows the ventricles too, by which the eye judges alignment
        level = 0.55 * np.median(shape[shape > 0]) if (shape > 0).any() else 1
        layers = [("line", shape / (2 * level), SKY)]
    views = panels.choose_evenly(data != 0)
    rows = [(f"{NAMES[aligned[0]]}\nregistered", data, sizes, views, layers)]
    if len(aligned) > 1:
        shown = [(*views[1], panels.read_finite(registered[name])[cut], NAMES[name]) for name in aligned]
        rows.append(("all\nregistered", data, sizes, shown, layers))
    return rows
