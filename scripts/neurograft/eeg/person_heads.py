"""The heads of one person: the template's with this person's electrodes, and the person's own from a T1.

The T1 goes the way of every scan of this workflow: skull-stripping, then affine and deformable registration onto the
template. The template's cortex and shells come back along the same transforms.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import ndimage

from neurograft.eeg.carrying import average_reference
from neurograft.eeg.heads import (
    MNI305_TO_MNI152,
    Head,
    carry_head,
    compute_free_gain,
    measure_inside,
    orient,
    read_template,
)
from neurograft.eeg.simulated_people import CHANNELS, read_known
from neurograft.eeg.trials import Trials
from neurograft.imaging import nifti
from neurograft.imaging.transforms import chain, map_points
from neurograft.preprocessing import brain_extraction, registration

LEAST_INSIDE, USUAL_INSIDE = 0.95, 0.99
BLUR = 1.5  # mm, before the gradient of the white matter is taken
CLEAR = 0.25  # share of the vertices with the weakest gradient, which keep the template's normals


class HeadError(ValueError):
    """A person's head cannot be modelled; the message says why, and the person is left out."""


def model_head(
    trials: Trials | None, sources: Mapping[str, Any], options: Mapping[str, Any]
) -> tuple[dict[str, np.ndarray], dict]:
    """Compute what a person's electrodes see of the template's cortex, and of the person's own.

    Parameters
    ----------
    trials : Trials or None
        For the positions; None gives nothing.
    sources : dict
        `t1`: path of a T1, or ""; `truth`: path of a simulated person's true head, or "".
    options : dict
        The block `model_head` of the configuration, `seed`, and the `spaces` that are asked for.

    Returns
    -------
    gains : dict of str to ndarray, shape (channels, vertices)
        `template`, and with a T1 or a truth `cortex`.
    record : dict
        `inside` (share of the own cortex inside the own skull), `angle` (median, degrees, between the registered
        normals and the white matter's; only if these are used), `fault`.
    """
    if trials is None:
        return {}, {"fault": ""}
    spaces, gains, record = options["spaces"], {}, {"fault": ""}
    template = read_template()
    if "template" in spaces:
        gains["template"] = orient(compute_free_gain(template, trials.positions), template.normals)
    if not {"cortex", "cortex-wrong-head"} & set(spaces):
        return gains, record
    if sources["truth"]:
        known = read_known(sources["truth"], options["known"], options["seed"])
        gains["cortex"] = average_reference(known[[CHANNELS.index(name) for name in trials.channels]])
    elif sources["t1"]:
        try:
            head, found = read_head(sources["t1"], template, options["normals"] == "white-matter")
        except (HeadError, nifti.ScanError) as fault:
            return {}, {"fault": str(fault)}
        gains["cortex"] = orient(compute_free_gain(head, trials.positions), head.normals)
        record |= found
    return gains, record


def read_head(path: str, template: Head, white: bool = False) -> tuple[Head, dict]:
    """Build a person's head from a T1.

    Parameters
    ----------
    path : str
    template : Head
    white : bool
        Whether normals are those of the person's own white matter.

    Returns
    -------
    head : Head
    record : dict
        `inside`, `flags` (what is odd, for a person to look at), and with `white` the `angle`.

    Raises
    ------
    HeadError
        If skull-stripping or registration flags the scan, or too little of the cortex lies in the skull. A tumour need
        not do that.
    """
    scan = nifti.read_image(path)
    masks, stripped, _ = brain_extraction.strip_skull({"t1": scan}, {"t1": False}, "t1")
    options = registration.RegistrationOptions("greedy", "MNI152", 1.0, deformable=True)
    fixed, prior = registration.load_template("MNI152", 1.0), registration.PriorAlignment("t1")
    moved, record = registration.register_scans({"t1": scan}, masks, prior, fixed, options)
    flags = [*stripped["flags"], *record["flags"]]
    if flags:
        raise HeadError(f"the head of the T1 cannot be modelled: {flags[0]}")
    way = chain(MNI305_TO_MNI152, *([moved["warp"]] if "warp" in moved else []), np.array(record["to_template"]))
    mask = np.asanyarray(masks["t1"].dataobj) > 0
    border = np.argwhere(mask > ndimage.binary_erosion(mask))
    affine = np.asarray(scan.affine)
    brain = (border @ affine[:3, :3].T + affine[:3, 3]) / 1000
    head = carry_head(template, lambda points: map_points(way, 1000 * points) / 1000, brain)
    inside = measure_inside(head)
    found: dict[str, Any] = {"inside": inside, "flags": flag_inside(inside)}
    if white:
        head, found["angle"] = face_white_matter(head, scan, mask)
    return head, found


def flag_inside(inside: float) -> list[str]:
    """Say what is odd about a head by the share of its cortex inside its skull; `HeadError` if it is too little."""
    if inside < LEAST_INSIDE:
        raise HeadError(f"only {100 * inside:.0f} % of the cortex lies inside the skull of the T1")
    if inside < USUAL_INSIDE:
        return [f"{100 * (1 - inside):.1f} % of the cortex lay outside the skull and was drawn in: look at the T1"]
    return []


def face_white_matter(head: Head, scan, brain: np.ndarray) -> tuple[Head, float]:
    """Let the cortex face away from the person's own white matter: down the gradient of a T1, where white is bright.

    Parameters
    ----------
    head : Head
    scan : nibabel.Nifti1Image
    brain : ndarray of bool
        On the grid of the scan; beyond it is filled with the mean, so that the border of the brain has no gradient.

    Returns
    -------
    head : Head
        With new normals where the gradient is clear.
    angle : float
        Median between the old and the new normals where it is clear, degrees.
    """
    data = np.where(brain, np.asanyarray(scan.dataobj), np.asanyarray(scan.dataobj)[brain].mean())
    normals, clear = face_downhill(head, data, np.asarray(scan.affine))
    angle = measure_angle(normals, head.normals, clear)
    return Head(head.centre, head.radii, head.cortex, normals, head.from_head), angle


def face_downhill(head: Head, data: np.ndarray, affine: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Turn the cortex's normals down the gradient of an image in which white matter is bright.

    Parameters
    ----------
    head : Head
    data : ndarray, shape (X, Y, Z)
    affine : ndarray, shape (4, 4)

    Returns
    -------
    normals : ndarray, shape (vertices, 3)
        The head's own where the gradient is not clear.
    clear : ndarray of bool, shape (vertices,)
    """
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    smooth = ndimage.gaussian_filter(data.astype(np.float32), BLUR / sizes)
    back = np.linalg.inv(affine)
    places = (1000 * head.cortex @ back[:3, :3].T + back[:3, 3]).T
    slopes = np.stack([ndimage.map_coordinates(one, places, order=1, mode="nearest") for one in np.gradient(smooth)])
    downhill = -(slopes.T @ back[:3, :3])
    length = np.linalg.norm(downhill, axis=1)
    clear = length > np.quantile(length, CLEAR)
    turned = downhill / np.maximum(length, 1e-12)[:, None]
    return np.where(clear[:, None], turned, head.normals), clear


def measure_angle(first: np.ndarray, second: np.ndarray, clear: np.ndarray) -> float:
    """Compute the median angle between two sets of normals where they are clear, in degrees."""
    cosine = np.clip(np.einsum("ij,ij->i", first, second), -1, 1)
    return float(np.degrees(np.median(np.arccos(cosine[clear]))))
