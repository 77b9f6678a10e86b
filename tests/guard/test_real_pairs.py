"""The three patients that two public sets share under other names, and their neighbours, by image alone."""

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from neurograft.guard.fingerprints import Fingerprint, find_pairs
from neurograft.guard.keypoints import find_keypoints
from neurograft.guard.leaks import SAME, Cohort
from neurograft.guard.matching import compare_slices
from neurograft.guard.recognition import recognise
from neurograft.guard.registry import find_stored, read_releases
from neurograft.guard.slices import cut_volume, stack_pictures

DATA = Path(__file__).resolve().parents[2].parent / "shared/data"
CONFIG = Path(__file__).parents[2] / "config"
SHARED = {"TCGA_DU_A5TR": "TCIA10_628", "TCGA_DU_A5TW": "TCIA10_639", "TCGA_FG_6692": "raw_tumour_head"}


def read_pictures(patient):
    """Stack the FLAIR and T1 of a patient of `lgg`."""
    folder = next((DATA / "lgg").glob(f"{patient}_*"))
    files = sorted(
        (path for path in folder.glob("*.png") if "mask" not in path.name),
        key=lambda path: int(path.stem.split("_")[-1]),
    )
    slices = np.stack([np.asarray(Image.open(path)) for path in files])
    return {"flair": stack_pictures(slices[..., 1]), "t1": stack_pictures(slices[..., 0])}


def read_volumes(name):
    """Cut the FLAIR and T1 of a patient of `brats18`, or the raw head."""
    if name.startswith("raw"):
        paths = {kind: DATA / name / f"{kind}.nii.gz" for kind in ("flair", "t1")}
    else:
        folder = DATA / "brats18" / f"Brats18_{name}_1"
        paths = {kind: folder / f"{folder.name}_{kind}.nii.gz" for kind in ("flair", "t1")}
    return {kind: cut_volume(nib.as_closest_canonical(nib.load(path))) for kind, path in paths.items()}


@pytest.mark.skipif(not (DATA / "lgg").exists(), reason="needs the real scans in ../shared/data")
def test_the_patients_that_two_public_sets_share_are_found_and_no_others():
    stacks = {name: read_pictures(name) for name in (*SHARED, "TCGA_HT_7884")}
    stacks |= {name: read_volumes(name) for name in (*SHARED.values(), "2013_11")}
    prints = [
        Fingerprint(name, {}, {kind: find_keypoints(stack) for kind, stack in own.items()})
        for name, own in stacks.items()
    ]
    pairs = find_pairs(prints)
    same = {
        pair.first: pair.second
        for pair in pairs
        if compare_slices(stacks[pair.first][pair.sequences[0]], stacks[pair.second][pair.sequences[1]], pair.match)
        >= SAME
    }
    assert same == SHARED


@pytest.mark.skipif(not (DATA / "lgg").exists(), reason="needs the real scans in ../shared/data")
def test_they_are_recognised_under_new_names_by_the_fingerprints_that_ship_and_strangers_are_not():
    names = {"new1": "TCIA10_628", "new2": "TCIA10_639", "new3": "raw_tumour_head", "new4": "2013_11"}
    stacks = {new: read_volumes(name) for new, name in names.items()} | {"new5": read_pictures("TCGA_DU_A5TW")}
    stacks |= {
        f"healthy{number}": {
            kind: cut_volume(nib.as_closest_canonical(nib.load(DATA / f"healthy_heads/Subj{number}/{kind}.nii.gz")))
            for kind in ("t1", "flair")
        }
        for number in (2, 3)
    }
    prints = [
        Fingerprint(name, {}, {kind: find_keypoints(stack) for kind, stack in own.items()})
        for name, own in stacks.items()
    ]
    releases = read_releases(CONFIG)
    cohort = Cohort({name: {"name": name} for name in stacks}, {})
    known = recognise(prints, cohort, releases, find_stored(CONFIG, [], releases))
    found = {name: {one["release"] for one in listed if one["by"] == "fingerprint"} for name, listed in known.items()}
    assert found == {
        "new1": {"BraTS2018", "TCGA-LGG"}, "new2": {"BraTS2018", "TCGA-LGG"}, "new3": {"TCGA-LGG"},
        "new4": {"BraTS2018"}, "new5": {"BraTS2018", "TCGA-LGG"}, "healthy2": set(), "healthy3": set(),
    }  # fmt: skip
    assert {one["person"] for one in known["new3"]} == {"TCGA-FG-6692"}
