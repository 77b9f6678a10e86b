"""The volumes of the 3-D viewer: where they lie, what they leave out, and alive on strange data."""

import base64
import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from neurograft.delivery import viewer_volumes
from neurograft.delivery.subject_figures import ORANGE, SKY, YELLOW
from neurograft.imaging import derivatives, nifti

SHAPE = (30, 34, 26)
CORNER = (-20, -15, 5)
SCHEME = "brats2018"


def place(sizes=(1, 1, 1), corner=CORNER):
    affine = np.diag([*map(float, sizes), 1.0])
    affine[:3, 3] = corner
    return affine


def head(affine, seed=0):
    """Give noise everywhere, with a brain in the middle that is brighter."""
    data = np.random.default_rng(seed).uniform(50, 60, SHAPE)
    data[ball(6)] += 100
    return nifti.image(data.astype(np.float32), affine)


def ball(radius, at=(15, 17, 13)):
    spots = np.indices(SHAPE) - np.array(at)[:, None, None, None]
    return (spots**2).sum(axis=0) <= radius**2


def status_of(*names, **changes):
    sequences = {name: {} for name in names}
    status = {"subject": "X", "layout": "brats", "sequences": sequences, "reference": names[0], "labels": None}
    return status | changes


@pytest.fixture
def stem(tmp_path):
    return str(tmp_path / "sub-X")


def write_mask(stem, name, mask, affine):
    nifti.write_image(derivatives.brain_mask_file(stem, name), nifti.image(mask.astype(np.uint8), affine))


def decode(entry):
    return nib.Nifti1Image.from_bytes(gzip.decompress(base64.b64decode(entry["file"])))


def overlay(shown, name, look):
    return next(each for each in shown["overlays"] if (each["name"], each["look"]) == (name, look))


def voxels(scan, inside=None):
    """List the world coordinates of voxels, rounded, as a set."""
    spots = np.argwhere(np.asanyarray(scan.dataobj) > 0 if inside is None else inside)
    return {tuple(spot) for spot in (spots @ scan.affine[:3, :3].T + scan.affine[:3, 3]).round(2)}


def test_labels_and_delivered_lie_where_they_lie_in_the_world(stem):
    affine = place()
    scans = {"t1": head(affine), "labels": nifti.image((4 * ball(3)).astype(np.uint8), affine)}
    write_mask(stem, "t1", ball(6), affine)
    # as delivered: on the axes of the file, which are flipped
    delivered = nib.Nifti1Image(ball(2).astype(np.uint8), affine).as_reoriented([[0, -1], [1, -1], [2, 1]])
    nib.save(delivered, derivatives.segmentation_file(stem))
    shown = viewer_volumes.gather_volumes(status_of("t1"), scans, stem, {}, SCHEME)
    areas = overlay(shown, "delivered", "area"), overlay(shown, "as labelled", "area")
    assert voxels(decode(areas[0])) == voxels(delivered) and voxels(decode(areas[1])) == voxels(scans["labels"])
    assert [part["name"] for part in areas[0]["parts"]] == ["necrosis", "oedema", "enhancing"]
    assert areas[0]["parts"][1]["colour"] == SKY and set(np.unique(decode(areas[1]).dataobj)) == {0, 3}
    edge = overlay(shown, "delivered", "edge")
    assert edge["parts"] == [{"name": "delivered", "colour": ORANGE}]
    assert 0 < len(voxels(decode(edge))) < len(voxels(delivered))
    assert shown["start"] == [-5, 2, 18] and [each["name"] for each in shown["overlays"] if each["shown"]] == [
        *("delivered", "as labelled"),
    ]


def test_nothing_is_shown_far_outside_of_the_brain(stem):
    affine = place((1, 1, 2))
    scans = {"t1": head(affine)}
    write_mask(stem, "t1", ball(4), affine)
    shown = viewer_volumes.gather_volumes(status_of("t1"), scans, stem, {})
    picture = decode(shown["images"][0])
    grey = np.asanyarray(picture.dataobj)
    mask = np.array(sorted(voxels(nifti.image(ball(4).astype(np.uint8), affine))))
    away = [np.linalg.norm(mask - spot, axis=1).min() for spot in voxels(picture)]
    assert max(away) <= viewer_volumes.RIM and max(away) > viewer_volumes.RIM - 1
    assert np.prod(grey.shape) < np.prod(SHAPE) / 1.5 and len(np.unique(grey)) <= viewer_volumes.GREYS + 1
    mask = overlay(shown, "brain mask", "edge")
    # nothing else is there to look at
    assert mask["shown"] and mask["parts"][0]["colour"] == YELLOW and picture.header["cal_max"] == 255


def test_sequences_are_shown_as_they_were_aligned(stem):
    affine = place()
    there = np.eye(4)
    there[:3, 3] = (4, -3, 2)
    moved = nib.Nifti1Image(head(affine).dataobj, there @ affine)
    write_mask(stem, "t1", ball(6), affine)
    scans = {"t1": head(affine), "flair": nifti.image(np.asanyarray(moved.dataobj), moved.affine)}
    status = status_of("t1", "flair")
    pictures = {}
    for name, known in (("aligned", {"to_reference": {"flair": there.tolist()}}), ("not", {})):
        shown = viewer_volumes.gather_volumes(status, scans, stem, known)
        pictures[name] = [np.asanyarray(decode(each).dataobj) for each in shown["images"]]
        assert [each["name"] for each in shown["images"]] == ["T1", "FLAIR"]
    assert np.array_equal(*pictures["aligned"]) and not np.array_equal(*pictures["not"])


def test_fine_scans_become_coarser_and_keep_their_place(stem):
    affine = place((0.5, 0.5, 3))
    scans = {"t1": head(affine), "labels": nifti.image(ball(4).astype(np.uint8), affine)}
    write_mask(stem, "t1", ball(8), affine)
    shown = viewer_volumes.gather_volumes(status_of("t1"), scans, stem, {}, "tumour=1")
    area = decode(overlay(shown, "as labelled", "area"))
    assert np.allclose(area.header.get_zooms(), (1, 1, 3))
    middle = np.mean(sorted(voxels(area)), axis=0)
    assert np.allclose(middle, affine[:3, :3] @ (15, 17, 13) + affine[:3, 3], atol=0.6)
    volume = len(voxels(area)) * 3, ball(4).sum() * 0.75
    assert abs(volume[0] / volume[1] - 1) < 0.15


def test_labels_of_any_value_and_without_names(stem):
    affine = place()
    scans = {"mri": head(affine), "labels": nifti.image((1035 * ball(3)).astype(np.int16), affine)}
    status = status_of("mri", prepared=True)
    for scheme, name in (("nucleus=1035,other=7", "nucleus"), ("", "label 1035")):
        shown = viewer_volumes.gather_volumes(status, scans, stem, {}, scheme)
        area = overlay(shown, "as labelled", "area")
        value = int(np.max(decode(area).dataobj))
        assert area["shown"] and area["parts"][value - 1]["name"] == name
    # no brain mask is known: everything is shown, and nobody draws a mask
    assert decode(shown["images"][0]).shape == SHAPE
    assert "brain mask" not in [each["name"] for each in shown["overlays"]]


@pytest.mark.parametrize("fill", [0, 7, np.nan])
@pytest.mark.parametrize("mask", [np.zeros(SHAPE, bool), np.ones(SHAPE, bool)])
def test_strange_data_still_give_volumes(stem, fill, mask):
    affine = place()
    empty = nifti.image(np.zeros(SHAPE, np.uint8), affine)
    scans = {"t1": nifti.image(np.full(SHAPE, fill, np.float32), affine), "labels": empty}
    write_mask(stem, "t1", mask, affine)
    shown = viewer_volumes.gather_volumes(status_of("t1"), scans, stem, {}, SCHEME)
    assert np.isfinite(shown["start"]).all() and not voxels(decode(overlay(shown, "as labelled", "area")))


def test_the_script_is_the_same_each_time_and_nothing_ends_it(stem, tmp_path):
    affine = place()
    scans, status = {"t1": head(affine)}, status_of("t1", layout="phantom", subject="X\u2028</script>")
    write_mask(stem, "t1", ball(6), affine)
    for name in "ab":
        viewer_volumes.write_volumes(tmp_path / name, status, scans, stem, {}, {})
    text = (tmp_path / "a").read_bytes()
    assert text == (tmp_path / "b").read_bytes() and text.count(b"\n") == 1 and text.isascii()
    shown = json.loads(text.removeprefix(b"window.subject = ").removesuffix(b";\n"))
    assert shown["simulated"] and "\u2028" in shown["title"]


def test_who_has_no_viewer_has_an_empty_file(tmp_path):
    for name, (layout, wanted) in {"stacked": ("images", True), "unwanted": ("brats", False)}.items():
        viewer_volumes.write_volumes(tmp_path / name, status_of("t1", layout=layout), {}, "", {}, {}, wanted)
        assert (tmp_path / name).read_bytes() == b""
