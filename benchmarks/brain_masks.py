"""Hold brain masks against the references of real heads: Dice, 95 % surface distance, seconds, memory.

`python benchmarks/brain_masks.py deepbet` measures an engine on each sequence of `raw_tumour_head`, then each
sequence's reference against two other masks on its own grid: the combination of all (`brain_masks`), and that of the
sequence which the others are aligned to. One engine a run, since memory is the process's peak; `--only t1c` looks at
one sequence and combines nothing. `--head ../shared/data/healthy_heads/Subj1` holds masks against the closed and filled
label map of T1, which is moved to FLAIR by deepbet's alignment, the same for every engine.
"""

import argparse
import resource
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy import ndimage

from helpers.real_head import HEAD, read
from neurograft.core import sequences
from neurograft.evaluation import metrics
from neurograft.imaging import nifti, resampling
from neurograft.imaging.masks import combine_masks
from neurograft.preprocessing import (
    brain_extraction,
    extraction_engines,
    mask_edge_alarm,
    registration,
    registration_engines,
)


def read_truths(folder, scans):
    """Read each sequence's reference mask: its own, or that of the label map of T1."""
    if not (folder / "dlmuse.nii.gz").exists():
        return {name: read(folder, f"brainmask_hdbet_{name}") for name in scans}
    labels, flair = read(folder, "dlmuse"), scans.get("flair")
    closed = ndimage.binary_closing(np.asanyarray(labels.dataobj) > 0, iterations=3)
    truth = nifti.image(ndimage.binary_fill_holes(closed).astype(np.uint8), labels.affine)
    if flair is None:
        return {"t1": truth}
    # by header alone it would lie beside the brain where the patient moved; one engine's alignment for all engines
    pair = {"t1": read(folder, "t1"), "flair": flair}
    masks = brain_extraction.strip_skull(pair, {}, "t1", threads=1)[0]
    both = *pair.values(), masks["t1"], masks["flair"]
    there, quality = registration.align_pair(registration_engines.align_greedy, both, "rigid", 1)
    centre = nib.affines.apply_affine(truth.affine, np.argwhere(np.asanyarray(truth.dataobj)).mean(axis=0))
    moved = np.linalg.norm(nib.affines.apply_affine(there, centre) - centre)
    print("label map to FLAIR:", quality, f"moved by {moved:.1f} mm")
    return {"t1": truth, "flair": resampling.resample_labels(truth, flair.shape, flair.affine, np.linalg.inv(there))}


def judge(label, mask, truth, note=""):
    """Print one row of the table."""
    first, second = (np.asanyarray(each.dataobj) > 0 for each in (truth, mask))
    distance = metrics.hd95(first, second, np.linalg.norm(truth.affine[:3, :3], axis=0))
    print(f"{label:22} Dice {metrics.dice(first, second):.4f}  HD95 {distance:5.2f} mm  {note}", flush=True)


def main():
    """Measure one engine and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("engine", choices=sorted(extraction_engines.BRAIN_EXTRACTION_ENGINES))
    parser.add_argument("--head", type=Path, default=HEAD)
    parser.add_argument("--only", choices=sequences.SEQUENCES)
    parser.add_argument("--save", type=Path, help="folder for the masks, to look at them")
    options = parser.parse_args()
    names = [name for name in sequences.SEQUENCES if (options.head / f"{name}.nii.gz").exists()]
    names = [options.only] if options.only else names
    scans = {name: read(options.head, name) for name in names}
    truths = read_truths(options.head, scans)
    masks = {}
    for name in names:
        before, wall = time.process_time(), time.perf_counter()
        masks |= brain_extraction.strip_skull({name: scans[name]}, {}, name, options.engine, threads=1)[0]
        spent = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        note = f"{time.process_time() - before:.1f} processor s, {time.perf_counter() - wall:.1f} s"
        if options.save:
            options.save.mkdir(parents=True, exist_ok=True)
            nib.save(masks[name], options.save / f"{options.engine}_{name}.nii.gz")
        judge(f"{name}, {options.engine}", masks[name], truths[name], f"{note}, of programs {spent:.1f} s so far")
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(f"peak memory {peak / 1024:.0f} MB")
    if options.only:
        return
    align, reference = registration_engines.align_greedy, "t1c" if "t1c" in names else "t1"
    to_sequence = {reference: np.eye(4)}
    for name in (name for name in names if name != reference):
        pair = (scans[reference], scans[name], masks[reference], masks[name])
        to_sequence[name], quality = registration.align_pair(align, pair, "rigid", 1)
        print(name, quality)
    combined = combine_masks(masks, to_sequence, reference)
    for label, mask in ((f"{reference}'s mask", masks[reference]), ("combined", combined)):
        for name in names:
            grid = scans[name].shape, scans[name].affine
            moved = resampling.resample_labels(mask, *grid, np.linalg.inv(to_sequence[name]))
            judge(f"{name}, {label}", moved, truths[name])
    print(mask_edge_alarm.find_cut_tissue(scans, combined, to_sequence))


if __name__ == "__main__":
    main()
