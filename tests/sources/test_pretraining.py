"""Sources that the workflow makes: from whom they learn, from whom never, and what cells make of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_cases import CELL
from helpers.fake_cells import freeze, write_slices
from helpers.fake_cells import train as train_cell
from neurograft.cohort import assignment, splits
from neurograft.imaging import packing
from neurograft.networks import builders
from neurograft.preprocessing import registration
from neurograft.simulation import anatomy
from neurograft.simulation.subjects import simulate_subject
from neurograft.sources import pretraining, table
from neurograft.sources.weights import SourceFiles, load_weights, locate
from neurograft.training import masking
from neurograft.training.loop import TrainingOptions
from neurograft.training.slice_batches import draw_batches
from neurograft.training.slices import target_case

TABLE = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")

BASE = TABLE["efficientnet-lite0"]
SEQUENCES = ["t1c", "t2", "flair"]
SMALL = {"batch": 4, "threads": 1}
STEPS = 30


@pytest.fixture(scope="module")
def atlas():
    return anatomy.load_template()


@pytest.fixture(scope="module")
def cohort(atlas, tmp_path_factory):
    """Four labelled patients and three subjects without labels, one of whom is a patient with labels."""
    root = tmp_path_factory.mktemp("cohört of mine")
    names = [f"p{number}" for number in range(4)]
    slices = {name: write_slices(root / name / "slices", number) for number, name in enumerate(names)}
    template = registration.load_template("MNI152", 4.0)
    for number, name in enumerate(["u0", "u1", "u2"]):
        slices[name] = root / name / "slices"
        pretraining.simulate_slices(slices[name], number, 5, template, 4.0, "robust-zscore", atlas)
        (slices[name] / "labels.zlib").unlink()
    rows = [make_row(name, name in names, "p0" if name == "u2" else name) for name in slices]
    return slices, splits.split_cohort(rows, folds=2)


def make_row(name, labelled, patient):
    """A row of cohort.tsv."""
    row = {"participant_id": name, "included": "true", "sequences": "t1,t1c,t2,flair", "site": "", "patient": patient}
    return row | {"labels": str(labelled).lower(), "scheme": "brats2018" if labelled else ""}


def pretrain(folder, cohort, steps=STEPS, **options):
    """Make the source of unlabelled scans."""
    slices, split = cohort
    base, training = SourceFiles(BASE, locate(BASE)), TrainingOptions(steps, **SMALL, **options)
    return pretraining.pretrain_masked(folder, TABLE["self-masked"], base, split, slices, training)


@pytest.fixture(scope="module")
def masked(cohort, tmp_path_factory):
    """The source of unlabelled scans, with the slices of nobody else in reach."""
    folder, (slices, split) = tmp_path_factory.mktemp("sources") / "self-masked", cohort
    return folder, pretrain(folder, ({name: slices[name] for name in ("u0", "u1")}, split))


def train(folder, cohort, weights, name="self-masked", **changes):
    """Train a cell that starts from a made source."""
    address = CELL | {"source": name, "strategy": "frozen"} | changes
    return train_cell(folder, cohort, address, TABLE[name], weights, predict_unlabelled=True)


def read_history(folder):
    lines = (folder / "history.tsv").read_text().splitlines()
    return [dict(zip(lines[0].split("\t"), line.split("\t"), strict=True)) for line in lines[1:]]


PEOPLE = st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=14)


@settings(max_examples=60, deadline=None)
@given(PEOPLE)
def test_nobody_with_a_labelled_scan_is_learnt_from(people):
    rows = [make_row(f"s{number:02d}", labelled, f"P{who}") for number, (labelled, who) in enumerate(people)]
    chosen = assignment.choose_unlabelled(splits.split_cohort(rows, folds=2))
    labelled = {who for has, who in people if has}
    assert chosen == [f"s{number:02d}" for number, (_, who) in enumerate(people) if who not in labelled]


def test_a_subject_that_any_task_tests_is_not_learnt_from():
    rows = [
        make_row(f"s{number}", number < 4, f"s{number}") | {"grade": "high" if number < 6 else ""}
        for number in range(8)
    ]
    split = splits.split_cohort(rows, folds=2, target="grade")
    assert split["tasks"]["segmentation"]["unlabelled"] == ["s4", "s5", "s6", "s7"]
    assert assignment.choose_unlabelled(split) == ["s6", "s7"]


def test_reconstruction_learns_from_the_unlabelled_alone(masked):
    folder, manifest = masked
    assert manifest["made"] and manifest["subjects"] == ["u0", "u1"] and manifest["base"] == "efficientnet-lite0"
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert not any("second" in key or "time" in key for key in manifest)
    history = read_history(folder)
    # batches differ in how hard they are, so each error is held against that of empty squares
    explained = [float(row["train_explained"]) for row in history]
    assert len(explained) == STEPS and np.mean(explained[-10:]) > 0 > np.mean(explained[:5])


def test_the_whole_encoder_loads_and_has_moved(masked):
    folder, _ = masked
    state = load_weights(folder / "weights", TABLE["self-masked"]["sha256"])
    found = builders.load_source(builders.build_segmenter("efficientnet-lite0", 3, 3), state)
    assert found["loaded_share"] == 1 and not found["missing"] and not found["unused"]
    start = load_weights(locate(BASE), BASE["sha256"])
    assert not torch.equal(state["_conv_stem.weight"], start["_conv_stem.weight"])


def test_statistics_are_those_of_whole_slices(masked, cohort):
    """Half of the image hidden would give the first layer's features other means."""
    state = load_weights(masked[0] / "weights")
    read = [target_case(cohort[0][name], SEQUENCES) for name in ("u0", "u1")]
    kernel, drawing = state["_conv_stem.weight"], {"shares": {"any": 1.0}, "batch": 64, "seed": 1}
    whole = next(draw_batches(read, **drawing, augmented=False))[0]
    hidden = whole * ~masking.hide_squares(whole.shape, torch.Generator().manual_seed(0))
    away = [
        float((torch.conv2d(images, kernel, stride=2, padding=1).mean((0, 2, 3)) - state["_bn0.running_mean"]).norm())
        for images in (whole, hidden)
    ]
    assert away[0] < 0.5 * away[1]


def test_same_seed_same_bytes(masked, cohort, tmp_path):
    folder, _ = masked
    pretrain(tmp_path / "again", cohort)
    pretrain(tmp_path / "other", cohort, steps=2, seed=1)
    for name in ("weights", "manifest.json", "history.tsv"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert (tmp_path / "other/weights").read_bytes() != (folder / "weights").read_bytes()


def test_without_anybody_to_learn_from_cells_say_why(cohort, tmp_path):
    slices, split = cohort
    alone = split | {"tasks": {name: task | {"unlabelled": []} for name, task in split["tasks"].items()}}
    manifest = pretrain(tmp_path / "source", (slices, freeze(alone)))
    assert not manifest["made"] and "there is none" in manifest["reason"]
    assert (tmp_path / "source/weights").stat().st_size == 0
    cell = train(tmp_path / "cell", (slices, freeze(alone)), tmp_path / "source/weights")
    assert not cell["trained"] and cell["reason"] == manifest["reason"]
    assert [path.name for path in (tmp_path / "cell").iterdir()] == ["manifest.json"]


def test_a_cell_names_whom_its_source_has_seen(masked, cohort, tmp_path):
    weights = masked[0] / "weights"
    cell = train(tmp_path / "frozen", cohort, weights)
    assert cell["trained"] and cell["loaded_share"] == 1 and cell["pretrained_on"] == ["u0", "u1"]
    assert cell["unlabelled"] == ["u0", "u1", "u2"]
    # a network that loads nothing has seen nobody
    assert train(tmp_path / "scratch", cohort, weights, strategy="scratch")["pretrained_on"] == []


@pytest.mark.parametrize("seen", ["p1", "u2"])
def test_a_cell_that_would_test_a_seen_patient_is_refused(masked, cohort, tmp_path, seen):
    """u2 is another scan of p0."""
    shutil.copytree(masked[0], tmp_path / "source")
    manifest = table.read_manifest(tmp_path / "source/weights") | {"subjects": [seen]}
    (tmp_path / "source/manifest.json").write_text(json.dumps(manifest))
    tested = {"p1": "p1", "u2": "p0"}[seen]
    folds = cohort[1]["tasks"]["segmentation"]["folds"]
    fold = next(number for number, each in enumerate(folds) if tested in each["test"])
    with pytest.raises(ValueError, match="self-masked was trained on scans of the patients of .*" + tested):
        train(tmp_path / "cell", cohort, tmp_path / "source/weights", fold=fold)
    assert train(tmp_path / "cell", cohort, tmp_path / "source/weights", fold=1 - fold)["trained"]


def test_simulated_patients_lie_in_the_template(atlas, tmp_path):
    template = registration.load_template("MNI152", 4.0)
    pretraining.simulate_slices(tmp_path / "slices", 0, 7, template, 4.0, "robust-zscore", atlas)
    index = json.loads((tmp_path / "slices/index.json").read_text())
    assert index["sequences"] == ["t1", *SEQUENCES] and index["shape"] == list(template.shape)
    found, labels = (packing.PackedArray(tmp_path / f"slices/{name}.zlib")[:] for name in ("images", "labels"))
    assert set(np.unique(labels)) == {0, 1, 2, 4}
    box = tuple(slice(*ends) for ends in index["box"])
    there = np.asanyarray(template.dataobj)[box].transpose(2, 0, 1) > 0
    # of each sequence: motion is undone, and the brain covers the template's
    for channel in range(4):
        here = found[:, channel] != 0
        assert 2 * (here & there).sum() / (here.sum() + there.sum()) > 0.9
    t1 = found[:, 0][there & (found[:, 0] != 0)].astype(float)
    reference = np.asanyarray(template.dataobj)[box].transpose(2, 0, 1)[there & (found[:, 0] != 0)]
    assert np.corrcoef(t1, reference)[0, 1] > 0.4


def test_simulated_patients_are_not_those_of_the_cohort(tmp_path):
    manifest = simulate(tmp_path / "source", seed=3)
    assert manifest["subjects"] == [] and manifest["simulated"]["subjects"] == 2
    own, other = (simulate_subject(0, seed, 4.0)[0]["t1"] for seed in (3, manifest["simulated"]["seed"]))
    assert not np.array_equal(np.asanyarray(own.dataobj), np.asanyarray(other.dataobj))


def simulate(folder, seed=0, aligned=True, steps=2, subjects=2):
    """Make the source of simulated patients, coarsely."""
    scans = pretraining.SimulatedScans(SEQUENCES, aligned, 4.0, subjects=subjects)
    return pretraining.pretrain_simulated(
        folder, TABLE["self-simulated"], scans, TrainingOptions(steps, seed=seed, **SMALL)
    )


def test_a_source_of_simulated_patients_is_whole_and_the_same_again(cohort, tmp_path):
    manifest = simulate(tmp_path / "one", steps=15)
    loss = [float(row["loss"]) for row in read_history(tmp_path / "one")]
    assert np.mean(loss[-3:]) < np.mean(loss[:3])
    assert {path.name for path in (tmp_path / "one").iterdir()} == {"weights", "manifest.json", "history.tsv"}
    assert simulate(tmp_path / "two", steps=15) == manifest
    assert (tmp_path / "one/weights").read_bytes() == (tmp_path / "two/weights").read_bytes()
    cell = train(tmp_path / "cell", cohort, tmp_path / "one/weights", "self-simulated")
    assert cell["loaded_share"] == 1 and cell["pretrained_on"] == []


def test_without_a_template_each_simulated_patient_stays_in_its_own_space(tmp_path):
    assert simulate(tmp_path / "source", aligned=False, steps=1)["made"]
