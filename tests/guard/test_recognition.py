"""Tests of recognising patients of public releases by short fingerprints, without the scans of the release."""

from pathlib import Path

import numpy as np
import pytest

from helpers.fake_heads import COPIES, make_head
from neurograft.guard import fingerprints, recognition, registry
from neurograft.guard.fingerprints import Fingerprint, Pair, take_fingerprint
from neurograft.guard.leaks import Cohort
from neurograft.guard.matching import Match
from neurograft.guard.slices import cut_volume

CONFIG = Path(__file__).parents[2] / "config"


def take(name, **images):
    return take_fingerprint(name, {}, {sequence: cut_volume(image) for sequence, image in images.items()})


@pytest.fixture(scope="module")
def release():
    """Six patients of a release, as they are kept."""
    return [recognition.shorten(take(f"p{seed}", flair=make_head(seed))) for seed in range(1, 7)]


@pytest.mark.parametrize("kind", ["moved", "resampled", "cropped", "mirrored", "encoded"])
def test_a_changed_copy_is_recognised_by_the_short_fingerprint_and_as_nobody_else(release, kind):
    # a name that says nothing is compared with all sequences
    own = [take("x", image=COPIES[kind](make_head(2))), take("y", flair=make_head(9)), take("z", t1=make_head(3))]
    assert [(pair.first, pair.second) for pair in recognition.find_sure(own, release)] == [("x", "p2")]


def test_the_same_values_are_recognised_without_keypoints():
    own, stored = Fingerprint("a", {"t1": "1"}), [Fingerprint("b", {"t1": "2"}), Fingerprint("c", {"flair": "1"})]
    assert [(pair.second, pair.equal) for pair in recognition.find_sure([own], stored)] == [("c", True)]


def test_a_patient_of_a_release_is_kept_in_few_bytes_and_the_same_when_read(release, tmp_path):
    fingerprints.write_fingerprints(tmp_path / "set.npz", release)
    assert (tmp_path / "set.npz").stat().st_size < 5000 * len(release)
    again = fingerprints.read_fingerprints(tmp_path / "set.npz")
    assert all(np.array_equal(one.keypoints["flair"].values, two.keypoints["flair"].values)
               for one, two in zip(release, again, strict=True))  # fmt: skip
    # shortening twice changes nothing, so a file may hold either kind
    assert np.array_equal(recognition.shorten(again[0]).keypoints["flair"].values, again[0].keypoints["flair"].values)


@pytest.mark.parametrize(
    ("strong", "paired", "sure"),
    # the first three are pairs of different patients, the others of patients whose scans two sets hold
    [(25, 66, False), (27, 58, False), (16, 35, False), (39, 64, True), (40, 74, True)],
)
def test_keypoints_alone_prove_little_unless_most_of_them_agree(strong, paired, sure):
    assert recognition.is_sure(Pair("a", "b", ("t1", "t1"), Match(strong, strong, paired))) is sure


def test_what_ships_is_small_named_after_releases_and_free_of_strangers():
    releases = registry.read_releases(CONFIG)
    stored = registry.find_stored(CONFIG, [], releases)
    assert {name for name, _ in stored} == {"BraTS2018", "TCGA-LGG", "figshare-T1c"}
    assert sum(path.stat().st_size for _, path in stored) < 1_500_000
    strangers = [take(f"s{seed}", flair=make_head(seed), t1c=make_head(20 + seed)) for seed in range(3)]
    rows = {one.name: {"name": one.name} for one in strangers}
    known = recognition.recognise(strangers, Cohort(rows, {}), releases, stored)
    assert known == {"s0": [], "s1": [], "s2": []}


@pytest.mark.parametrize("name", ["BraTS2018", "TCGA-LGG", "figshare-T1c"])
def test_a_shipped_patient_is_recognised_under_another_name_by_what_is_left_of_his_keypoints(name):
    (patient, *_) = fingerprints.read_fingerprints(CONFIG / f"releases/{name}.npz")
    # every seventh keypoint is lost
    points = {
        sequence: type(one)(*(np.delete(part, np.s_[::7], 0) for part in (one.places, one.sizes, one.values)))
        for sequence, one in patient.keypoints.items()
    }
    releases = registry.read_releases(CONFIG)
    own, cohort = [Fingerprint("x", {}, points)], Cohort({"x": {"name": "mine"}}, {})
    known = recognition.recognise(own, cohort, releases, registry.find_stored(CONFIG, [], releases))["x"]
    expected = registry.identify(patient.name, releases).person or f"{patient.name} of {name}"
    assert {"release": name, "person": expected, "by": "fingerprint"} in known
