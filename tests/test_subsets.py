"""Each of the 15 subsets of the four sequences goes the whole way of preprocessing, with nothing made up."""

import itertools

import numpy as np
import pytest

from neurograft import brain_extraction, candidates, checks, images, intensity, phantom, registration

SUBSETS = [names for count in range(1, 5) for names in itertools.combinations(images.SEQUENCES, count)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One simulated patient with a tumour at 4 mm, stripped by its known truth: sequence, or labels, to file."""
    folder = tmp_path_factory.mktemp("patient")
    scans, truth = phantom.simulate_subject(2, seed=5, spacing=4.0)
    for name in images.SEQUENCES:
        back = np.linalg.inv(truth["motion"][name])
        brain = images.resample(truth["brain"], scans[name].shape, scans[name].affine, back, order=0)
        data = np.asanyarray(scans[name].dataobj) * (np.asanyarray(brain.dataobj) > 0)
        scans[name] = images.image(data, scans[name].affine)
    for name, scan in scans.items():
        images.write_image(folder / f"{name}.nii.gz", scan)
    return {name: str(folder / f"{name}.nii.gz") for name in scans}


@pytest.fixture(scope="module")
def engine():
    """Greedy, which aligns a pair once: most subsets share their pairs."""
    known = {}

    def align(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
        pair = (np.asanyarray(one.dataobj).tobytes() + one.affine.tobytes() for one in (fixed, moving))
        key = (kind, *map(hash, pair))
        if key not in known:
            known[key] = registration.REGISTRATION_ENGINES["greedy"](fixed, moving, kind, fixed_mask, moving_mask)
        return known[key]

    return align


@pytest.fixture(scope="module")
def template():
    return registration.load_template("MNI152", 4.0)


def preprocess(files, subset, engine, template, monkeypatch):
    """Do what the scripts do, step by step; without T1c in the patient's own space, which saves seconds."""
    named = "MNI152" if "t1c" in subset else "none"
    monkeypatch.setitem(registration.REGISTRATION_ENGINES, "once", engine)
    given = {name: files[name] for name in (*subset, "labels") if name in subset or "t1c" in subset}
    found = {"name": "a", "site": "", "columns": {}, "problems": [], "notes": [], "scheme": "", "files": given}
    status, scans = checks.import_scans("a", found, "table", template=named)
    assert status["included"], status["reason"]
    stripped = {name: file["stripped"] for name, file in status["sequences"].items()}
    masks, seen = brain_extraction.strip_skull(scans, stripped, status["reference"])
    registered, record = registration.register_scans(
        scans, masks, status["reference"], status["coregistered"], template if "t1c" in subset else None, 4.0, "once",
        labels_on=(status["labels"] or {}).get("grid_of"), in_template=status["in_template"],
    )  # fmt: skip
    normalized, scaled = intensity.normalize_intensity(registered)
    flags = [*seen["flags"], *record["flags"], *scaled["flags"]]
    return status, normalized, registered, flags


@pytest.mark.parametrize("subset", SUBSETS, ids="-".join)
def test_a_subset_passes_whole(files, subset, engine, template, monkeypatch):
    status, normalized, registered, flags = preprocess(files, subset, engine, template, monkeypatch)
    assert tuple(status["sequences"]) == subset and flags == []
    others = [name for name in subset if name != status["reference"]]
    steps = [f"align {', '.join(others)} to {status['reference']}"] if not status["coregistered"] else []
    steps += ["align t1c to the template MNI152"] if "t1c" in subset else []
    assert status["will_do"] == ("; ".join(steps) or "nothing to strip or to align")
    cut, labels, index = intensity.cut_slices(normalized, registered.get("labels"))
    assert index["sequences"] == list(subset) and cut.shape[1] == len(subset)
    brain = np.asanyarray(normalized["brain"].dataobj)[tuple(slice(*ends) for ends in index["box"])].transpose(2, 0, 1)
    for channel in range(len(subset)):
        own = cut[:, channel][brain > 0].astype(float)
        # every channel is a scan: it fills the brain, and no two are the same
        assert np.mean(own != 0) > 0.9 and len(np.unique(own)) > 100
        assert all(not np.array_equal(cut[:, channel], cut[:, other]) for other in range(channel))
    assert (labels is None) == ("t1c" not in subset)
    scans = {name: normalized[name] for name in subset}
    ranked, table, record, _ = candidates.propose_candidates(
        scans, normalized["brain"], registered.get("labels"), segments=500
    )
    assert record["sequences"] == list(subset) and record["flags"] == [] and len(table)
    assert {name for name in images.SEQUENCES if f"z_{name}" in table} == set(subset)
    assert int(np.asanyarray(ranked.dataobj).max()) == len(table)
