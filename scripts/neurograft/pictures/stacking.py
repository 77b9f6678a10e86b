"""Stack a patient's 2-D pictures and masks into volumes, which all later steps read as scans.

A slice that cannot be read completely is left out, with a note; the patient's other slices are used.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from neurograft.core.files import whole, write_json
from neurograft.core.labels import tissues_of
from neurograft.imaging.nifti import ScanError, image, write_scans
from neurograft.imaging.typed import fill_holes, label_pieces
from neurograft.pictures.reading import GREY, LEAST_SIDE, LUMA, open_whole

WHITE = (255, 65535)  # value that programs write instead of 1 into a mask of 8 or 16 bits
# Intensity up to which a pixel is air, as a share of the bright intensities, after smoothing over SMOOTH pixels. In two
# public sets, air was between 0.02 and 0.06.
DARK, SMOOTH = 0.08, 1.5
LEAST_PIECE = 0.05  # least size of a component of the head, as a share of the largest one in the slice
COLOURED = 4  # least mean difference between the channels of a colour picture; in a grey one, only compression differs


@dataclass(frozen=True)
class StackOptions:
    """How a patient's pictures are stacked into volumes.

    Parameters
    ----------
    sequences : sequence of str
        The sequences in a picture, in the order of its channels, or of the files of a slice.
    spacing : sequence of float
        Voxel size in mm from left to right, from front to back, and between slices; empty if unknown, in which case it
        is set to 1 mm.
    values : sequence of int
        Label values that a mask may have besides 0. If there is only one, white is read as this value.
    """

    sequences: Sequence[str]
    spacing: Sequence[float] = ()
    values: Sequence[int] = (1,)

    @classmethod
    def from_config(cls, sequences, spacing, scheme):
        """Make the options from values of the config; `scheme` is that of the labels, or "auto" for binary masks."""
        return cls(sequences, spacing, [1] if scheme == "auto" else sorted(tissues_of(scheme).values()))


def stack_pictures(folder, slices, options: StackOptions):
    """Read a patient's slices and write them as volumes.

    Parameters
    ----------
    folder : str or Path
        Written atomically: `<sequence>.nii.gz` and `labels.nii.gz` (if there are masks), canonical (X runs to the right
        of the head, which is the left side of a picture) and 0 around the head; and `stack.json`: `problems`, `notes`,
        and `slices` (`slice`, counted from 0, `name`, `files`, `mask`), the position of each picture.
    slices : list of picture_folders.Slice
        In the order of the stack.
    options : StackOptions
    """
    read, notes = _read_all(slices, options)
    read = _keep_one_size(read, notes)
    record = {"problems": [], "notes": notes}
    scans = {}
    if not read:
        first = notes[0].removeprefix("left out: ") if notes else "there is no picture of this patient left"
        more = f"; and {len(notes) - 1} more such notes" if len(notes) > 1 else ""
        record["problems"].append(first + more)
    else:
        scans = _stack(read, options, notes)
    record["slices"] = [{"slice": number} | one for number, (one, _, _) in enumerate(read)]
    with whole(folder) as part:
        write_scans(part, scans)
        write_json(part / "stack.json", record)
    print(*notes, sep="\n")


def _read_all(slices, options):
    """Read every slice; return the complete ones as (slice, channels, mask or None), and notes on the others."""
    read, faults, remarks = [], {}, {}
    for one in slices:
        try:
            channels, said = _read_slice(one, options)
            mask = read_mask(one["mask"], options.values) if one["mask"] else None
            sizes = {picture.shape for picture in (*channels, *([] if mask is None else [mask])) if picture is not None}
            if len(sizes) > 1:
                listed = " and ".join(f"{columns} x {rows}" for rows, columns in sorted(sizes))
                raise ScanError(f"{one['name']}, its other channels or its mask differ in size ({listed} pixels)")
        except ScanError as error:
            faults.setdefault(str(error), []).append(one["name"])
            continue
        read.append((one, channels, mask))
        for remark in said:
            remarks.setdefault(remark, []).append(one["name"])
    notes = [f"left out: {fault}" for fault in faults]
    notes += [f"{len(names)} of {len(slices)} pictures: {remark}" for remark, names in remarks.items()]
    empty = [one["name"] for one, _, mask in read if mask is not None and not mask.any()]
    if empty:
        notes.append(f"empty masks, kept as slices without tumour: {', '.join(empty)}")
    return read, notes


def _read_slice(one, options):
    """Read the channels of a slice, with None for a missing one, and remarks on it."""
    if len(one["files"]) == 1:
        return read_channels(one["files"][0], len(options.sequences))
    read = [read_channels(file, 1) if file else ([None], []) for file in one["files"]]
    return [channels[0] for channels, _ in read], [remark for _, said in read for remark in said]


def read_channels(path, count):
    """Read a picture's channels.

    Parameters
    ----------
    path : str or Path
    count : int
        Expected number of channels; with 1, a colour picture is converted to grey.

    Returns
    -------
    channels : list of ndarray of float32, shape (rows, columns)
    remarks : list of str

    Raises
    ------
    ScanError
        If it cannot be read completely, or has another number of channels.
    """
    values, remarks = open_whole(path, _take_values)
    if min(values.shape[:2]) < LEAST_SIDE:
        raise ScanError(f"{path} has only {values.shape[1]} x {values.shape[0]} pixels; give it in full size")
    if not np.isfinite(values).all():
        raise ScanError(f"{path} has values that are not numbers; export it again")
    if values.ndim == 2:
        values = values[..., None]
    if values.shape[2] == 4 and count < 4:
        values = values[..., :3]  # without the alpha channel
    if count == 1 and values.shape[2] == 3:
        coloured = np.ptp(values, axis=2).mean() > COLOURED
        return [values @ LUMA], remarks + (["in colour, read as grey"] if coloured else [])
    if values.shape[2] != count:
        raise ScanError(f"{path} has {values.shape[2]} channels, and dataset.sequences names {count}")
    return list(values.transpose(2, 0, 1)), remarks


def _take_values(opened):
    """Return an open picture's values, shape (rows, columns) or (rows, columns, channels), and remarks on it."""
    if getattr(opened, "n_frames", 1) > 1:
        raise ScanError(f"{opened.filename} holds {opened.n_frames} pictures; save each as a file of its own")
    deep = any(";16" in str(tile[3]) for tile in opened.tile) and opened.mode not in GREY
    remarks = ["colours of 16 bits, of which 8 were read"] if deep else []
    if opened.mode in GREY:
        return np.array(opened, np.float32), remarks
    if opened.mode in ("LA", "La"):
        return np.array(opened.convert("LA"), np.float32)[..., 0], remarks
    return np.array(opened.convert("RGBA" if opened.mode == "RGBA" else "RGB"), np.float32), remarks


def read_mask(path, values=(1,)):
    """Read a mask as label values.

    Parameters
    ----------
    path : str or Path
        Grey, or in colour with equal channels. With a colour palette, the indices are used, not the colours.
    values : sequence of int
        As in `StackOptions`.

    Returns
    -------
    ndarray of uint8, shape (rows, columns)

    Raises
    ------
    ScanError
        If it cannot be read completely, or has other values.
    """
    mask, _ = open_whole(path, _take_mask)
    if mask.ndim == 3:
        if np.ptp(mask[..., :3], axis=2).any():
            raise ScanError(f"{path} is in colour; save masks in grey")
        mask = mask[..., 0]
    seen = set(np.unique(mask).tolist()) - {0}
    if len(values) == 1 and len(seen) == 1 and seen <= set(WHITE):
        mask = np.where(mask > 0, values[0], 0)
    elif not seen <= set(values):
        listed = ", ".join(f"{value:g}" for value in sorted(seen)[:6]) + (", ..." if len(seen) > 6 else "")
        known = "255" if len(values) == 1 else " ".join(map(str, values))
        raise ScanError(
            f"{path} holds the values {listed} and not only 0 and {known}; save it as PNG, or set dataset.labels"
        )
    return mask.astype(np.uint8)


def _take_mask(opened):
    """Return the values of an open mask; of a palette that is not grey, the indices."""
    if opened.mode == "P":
        shown = np.array(opened.convert("RGB"), np.int64)
        return (np.array(opened, np.int64) if np.ptp(shown, axis=2).any() else shown[..., 0]), []
    return _take_values(opened)


def _keep_one_size(read, notes):
    """Keep the slices with the patient's most frequent size (of equally frequent ones, the first); note the others."""
    sizes = [next(picture for picture in channels if picture is not None).shape for _, channels, _ in read]
    if len(set(sizes)) < 2:
        return read
    (rows, columns), _ = Counter(sizes).most_common(1)[0]
    other = [one["name"] for (one, _, _), size in zip(read, sizes, strict=True) if size != (rows, columns)]
    notes.append(
        f"left out: {', '.join(other)}, not of {columns} x {rows} pixels as the patient's others; export again"
    )
    return [each for each, size in zip(read, sizes, strict=True) if size == (rows, columns)]


def _stack(read, options, notes):
    """Stack slices into a volume for each of the patient's sequences, and one for the labels."""
    affine = np.diag([*(options.spacing or (1.0, 1.0, 1.0)), 1.0])
    if not options.spacing:
        notes.append("the size of a pixel is not stated (dataset.pictures.spacing): it counts as 1 mm")
    volumes = {}
    for number, name in enumerate(options.sequences):
        planes = [channels[number] for _, channels, _ in read]
        lacking = [one["name"] for (one, _, _), plane in zip(read, planes, strict=True) if plane is None]
        if lacking:
            if len(lacking) < len(planes):
                notes.append(f"{name} not used: {', '.join(lacking)} lack it, and a sequence has to be whole")
            continue
        volumes[name] = np.stack([_turn(plane) for plane in planes], axis=2)
    volumes = _drop_fillers(volumes, notes)
    masks = [mask for _, _, mask in read]
    drawn = None if any(mask is None for mask in masks) else np.stack([_turn(mask) for mask in masks], axis=2)
    shown = find_head(list(volumes.values())) | (False if drawn is None else drawn > 0)
    scans = {name: image(np.where(shown, volume, 0).astype(np.float32), affine) for name, volume in volumes.items()}
    return scans | ({} if drawn is None else {"labels": image(drawn, affine)})


def find_head(volumes):
    """Separate the head from the air around it, which is noisy, and not exactly 0 after compression.

    Parameters
    ----------
    volumes : list of ndarray, shape (X, Y, Z)
        All volumes of one patient.

    Returns
    -------
    ndarray of bool, shape (X, Y, Z)
        In each slice, the larger connected components that are not dark, with holes filled; the whole image for a crop
        without air.
    """
    bright = np.zeros(volumes[0].shape, np.float32)
    for volume in volumes:
        low, high = volume.min(), np.percentile(volume, 99.5)
        bright += np.clip((volume - low) / max(high - low, 1e-6), 0, 1) / len(volumes)
    bright = ndimage.gaussian_filter(bright, (SMOOTH, SMOOTH, 0)) > DARK
    return np.stack([_fill_pieces(bright[..., z]) for z in range(bright.shape[2])], axis=2)


def _fill_pieces(plane):
    """Keep the connected components of a slice that are not much smaller than the largest, and fill their holes."""
    pieces, count = label_pieces(plane)
    if not count:
        return plane
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return fill_holes((sizes >= LEAST_PIECE * sizes.max())[pieces])


def _turn(picture):
    """Turn a picture into an axial slice; X runs to the right of the head (left in the picture), Y to its front."""
    return picture[::-1, ::-1].T


def _drop_fillers(volumes, notes):
    """Remove placeholders of missing sequences: constant volumes, and copies of another sequence."""
    kept = {}
    # some sets replace a missing sequence by FLAIR, so of two equal volumes, FLAIR is the real one
    for name in sorted(volumes, key=lambda name: name != "flair"):
        copied = next((other for other in kept if np.array_equal(kept[other], volumes[name])), None)
        if copied:
            notes.append(f"{name} counts as missing: it is a copy of {copied} in every slice")
        elif len(volumes) > 1 and np.ptp(volumes[name]) == 0:
            notes.append(f"{name} counts as missing: it is {volumes[name].flat[0]:g} everywhere")
        else:
            kept[name] = volumes[name]
    return {name: kept[name] for name in volumes if name in kept}
