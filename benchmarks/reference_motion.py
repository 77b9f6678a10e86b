"""Whether the reference masks of `raw_tumour_head` are one mask carried over, and how far from our alignment.

`python benchmarks/reference_motion.py flair` looks for the rigid motion that makes T1's reference that of another
sequence, beginning at our alignment of the two images, and tells the Dice of both motions, how far they lie apart, and
under which of them the images are more alike.
"""

import argparse

import numpy as np
from nibabel.affines import apply_affine
from scipy import ndimage, optimize
from scipy.spatial.transform import Rotation

from helpers.real_head import HEAD, read
from neurograft.evaluation import metrics
from neurograft.imaging import measures, resampling
from neurograft.preprocessing import brain_extraction, registration, registration_engines


def align(names, scans):
    """Give our alignment, world of the second sequence to that of T1, by way of T1c as the workflow does."""
    masks = brain_extraction.strip_skull(scans, {}, "t1c", threads=1)[0]
    to = {"t1c": np.eye(4)}
    for name in (name for name in names if name != "t1c"):
        pair = scans["t1c"], scans[name], masks["t1c"], masks[name]
        to[name] = registration.align_pair(registration_engines.align_greedy, pair, "rigid", 1)[0]
    return to["t1"] @ np.linalg.inv(to[names[1]])


def carry(mask, onto, motion):
    """Move a mask onto another grid, nearest neighbour."""
    pull = np.linalg.inv(mask.affine) @ motion @ onto.affine
    data = (np.asanyarray(mask.dataobj) > 0).astype(np.float32)
    return ndimage.affine_transform(data, pull[:3, :3], pull[:3, 3], output_shape=onto.shape, order=0) > 0


def main():
    """Find the motion and print both beside each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sequence", choices=["t1c", "t2", "flair"])
    name = parser.parse_args().sequence
    scans = {each: read(HEAD, each) for each in dict.fromkeys(["t1", name, "t1c"])}
    first, second = (read(HEAD, f"brainmask_hdbet_{each}") for each in ("t1", name))
    truth = np.asanyarray(second.dataobj) > 0
    places = apply_affine(second.affine, np.argwhere(truth)[::500])
    ours = align(["t1", name], scans)

    def motion(numbers):
        turn = np.eye(4)
        turn[:3, :3] = Rotation.from_rotvec(numbers[:3] / 60).as_matrix()  # a millimetre at the brain's edge is 1
        turn[:3, 3] = places.mean(axis=0) + numbers[3:] - turn[:3, :3] @ places.mean(axis=0)
        return ours @ turn

    def miss(numbers):
        return -metrics.dice(truth, carry(first, second, motion(numbers)))

    options = {"maxfev": 250, "xtol": 0.05, "ftol": 1e-5}
    found = motion(optimize.minimize(miss, np.zeros(6), method="Powell", options=options).x)
    near = ndimage.binary_dilation(truth, iterations=2)
    for label, each in (("ours", ours), ("the references'", found)):
        moved = np.asanyarray(resampling.resample(scans["t1"], second.shape, second.affine, each).dataobj)
        alike = measures.mutual_information(np.asanyarray(scans[name].dataobj), moved, near & (moved != 0))
        print(f"{label:16} Dice {metrics.dice(truth, carry(first, second, each)):.4f}  images alike {alike:.4f}")
    apart = np.linalg.norm(apply_affine(found, places) - apply_affine(ours, places), axis=1)
    print(f"apart by {apart.mean():.2f} mm in the mean, {apart.max():.2f} at most")


if __name__ == "__main__":
    main()
