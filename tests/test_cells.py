"""A cell from files to files, on a cohort of small slices with a bright tumour."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from fake_cases import CELL

from neurograft import cells, checkpoints, packing, predictions, sources, splits

TABLE = Path(__file__).parents[1] / "config/sources.tsv"
SOURCE = sources.read_sources(TABLE)["efficientnet-lite0"]
QUICK = {"steps": 3, "batch": 4}
RECORDS = {"manifest.json", "history.tsv", "seconds.tsv", "layers.tsv", "features.tsv", "fit.tsv"}


def write_slices(folder, seed, labelled=True):
    """Eight slices of 40 x 33 voxels, in a box of a larger grid."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    labels = np.zeros((8, 40, 33), np.uint8)
    labels[2:5, 10:20, 8:18], labels[3, 12:16, 10:14] = 2, 4
    images = random.normal(0, 1, (8, 4, 40, 33)) + 3 * (labels[:, None] > 0)
    packing.write_packed(folder / "images.zlib", images.astype(np.float16))
    if labelled:
        packing.write_packed(folder / "labels.zlib", labels)
    index = {"sequences": ["t1", "t1c", "t2", "flair"], "box": [[3, 43], [4, 37], [5, 13]], "spacing": [2.0, 2.0, 2.0]}
    (folder / "index.json").write_text(json.dumps(index))
    return folder


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Five labelled subjects with slices, and one without labels; folds of segmentation and classification."""
    root = tmp_path_factory.mktemp("cohört of mine")
    names = [f"p{number}" for number in range(5)]
    slices = {name: write_slices(root / name / "slices", number) for number, name in enumerate(names)}
    slices["u0"] = write_slices(root / "u0" / "slices", 9, labelled=False)
    folds = [{"test": [name], "train": [other for other in names if other != name]} for name in names]
    task = {"trainable": True, "reason": "", "sequences": ["t1c", "t2", "flair"], "subjects": names, "folds": folds}
    sites = [{"name": "A", "test": names[:2], "train": names[2:]}, {"name": "B", "test": names[2:], "train": names[:2]}]
    task |= {"sites": sites, "between": []}
    task |= {"unlabelled": ["u0"], "left_out": {}, "patients": {name: name for name in names}}
    tasks = {"segmentation": task | {"regions": ["WT", "TC", "ET"]}}
    tasks["classification"] = task | {"target": "tumour-slice", "classes": ["tumour-free", "tumour"]}
    schemes = dict.fromkeys(slices, "brats2018")
    return slices, freeze({"seed": 0, "folds": 5, "scheme": "brats2018", "schemes": schemes, "tasks": tasks})


def freeze(split):
    """Give a split its hash."""
    return split | {"hash": splits.digest(split)}


def cell(**changes):
    """The address of a cell."""
    return CELL | changes


def train(folder, cohort, address, **options):
    """Train a cell quickly."""
    slices, split = cohort
    return cells.train_cell(folder, split, address, SOURCE, sources.locate(SOURCE), slices, **(QUICK | options))


def read_tsv(path):
    """Rows of a TSV."""
    return list(csv.DictReader(path.open(encoding="utf-8"), delimiter="\t"))


@pytest.fixture(scope="module")
def segmented(cohort, tmp_path_factory):
    """A finished segmentation cell, delivered."""
    folder = tmp_path_factory.mktemp("cells") / "cell"
    return folder, train(folder, cohort, cell(), predict_unlabelled=True, keep_weights=True)


def test_releases_with_other_label_values_train_the_same_network(cohort, segmented, tmp_path):
    slices, split = cohort
    labels = packing.PackedArray(slices["p2"] / "labels.zlib")[:]
    other = tmp_path / "p2" / "slices"
    shutil.copytree(slices["p2"], other)
    packing.write_packed(other / "labels.zlib", np.where(labels == 4, 3, labels))
    mixed = freeze(split | {"schemes": split["schemes"] | {"p2": "brats2023"}})
    manifest = train(tmp_path / "cell", (slices | {"p2": other}, mixed), cell())
    assert manifest["weights_sha256"] == segmented[1]["weights_sha256"]


def lacking(cohort, **missing):
    """The cohort with subjects whose split says that they lack sequences."""
    slices, split = cohort
    tasks = {name: task | {"incomplete": missing} for name, task in split["tasks"].items()}
    return slices, freeze(split | {"tasks": tasks})


def without(slices, subject, folder, *names):
    """Copy a subject's slices without some sequences, as `cut_slices` writes them then."""
    shutil.copytree(slices[subject], folder)
    index = json.loads((folder / "index.json").read_text())
    kept = [place for place, name in enumerate(index["sequences"]) if name not in names]
    packing.write_packed(folder / "images.zlib", packing.PackedArray(folder / "images.zlib")[:][:, kept])
    index["sequences"] = [index["sequences"][place] for place in kept]
    (folder / "index.json").write_text(json.dumps(index))
    return folder


def test_subjects_without_a_sequence_are_trained_on_and_predicted(cohort, segmented, tmp_path):
    """What stands where a missing sequence would be makes no difference, and is not zero by chance."""
    missing = {"p1": ["flair"], "p3": ["t2"], "u0": ["t1c", "t2"]}
    full, split = lacking(cohort, **missing)
    cut = full | {name: without(full, name, tmp_path / name, *names) for name, names in missing.items()}
    made = [train(tmp_path / str(n), (s, split), cell(), predict_unlabelled=True) for n, s in enumerate((full, cut))]
    assert made[0] == made[1] and made[0]["incomplete"] == missing and made[0]["unlearnt"] == []
    assert made[0]["train"] == segmented[1]["train"] and made[0]["weights_sha256"] != segmented[1]["weights_sha256"]
    for name in ("sub-p1.npz", "sub-u0.npz"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
    assert "incomplete" not in segmented[1]


def test_a_sequence_that_no_training_subject_has_is_given_to_nobody(cohort, tmp_path):
    slices, split = lacking(cohort, p0=["t2", "flair"])
    few = cell(n="1")
    made = train(tmp_path / "a", (slices, split), few, steps=1)
    assert made["train"] == ["p0"] and made["unlearnt"] == ["t2", "flair"]
    other = slices | {"p1": without(slices, "p1", tmp_path / "p1", "t2", "flair")}
    train(tmp_path / "b", (other, split), few, steps=1)
    assert (tmp_path / "a/sub-p1.npz").read_bytes() == (tmp_path / "b/sub-p1.npz").read_bytes()
    nothing = train(tmp_path / "c", lacking(cohort, p0=["t2", "flair"], p1=["t1c"]), few)
    assert not nothing["trained"] and nothing["reason"].startswith("p1 has no sequence that a training subject")


def test_segmentation_cell_writes_what_others_read(segmented):
    folder, manifest = segmented
    assert {path.name for path in folder.iterdir()} == RECORDS | {"sub-p1.npz", "sub-u0.npz", "weights.pt"}
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert manifest["trained"] and manifest["train"] == ["p0", "p2", "p3", "p4"] and manifest["subjects"] == 4
    assert manifest["test"] == ["p1"] and manifest["unlabelled"] == ["u0"]
    assert manifest["loaded_share"] == 1 and manifest["outputs"] == ["WT", "TC", "ET"]
    assert manifest["parameters_frozen"] == 0 and manifest["parameters_trained"] > 3e6
    assert not any("second" in key or "time" in key for key in manifest)
    with np.load(folder / "sub-p1.npz") as found:
        assert set(found) == {"WT", "TC", "ET", "box"}
        assert found["box"].tolist() == [[3, 43], [4, 37], [5, 13]]
        assert found["WT"].shape == (40, 33, 8) and found["WT"].dtype == np.uint8
    history = read_tsv(folder / "history.tsv")
    assert [row["step"] for row in history] == ["1", "2", "3"]
    assert set(history[0]) == {"step", "phase", "loss", "train_dice", "rate"}
    assert [float(row["seconds"]) > 0 for row in read_tsv(folder / "seconds.tsv")] == [True] * 3


def test_weights_are_those_that_the_manifest_names(segmented):
    folder, manifest = segmented
    state = torch.load(folder / "weights.pt", weights_only=True)
    holder = torch.nn.Module()
    holder.state_dict = lambda: state
    assert checkpoints.hash_weights(holder) == manifest["weights_sha256"]


def test_same_cell_same_bytes_but_for_the_times(segmented, cohort, tmp_path):
    folder, _ = segmented
    train(tmp_path / "cell", cohort, cell(), predict_unlabelled=True, keep_weights=True)
    for path in folder.iterdir():
        if path.name != "seconds.tsv":
            assert path.read_bytes() == (tmp_path / "cell" / path.name).read_bytes(), path.name


def test_seeds_and_folds_start_differently(segmented, cohort, tmp_path):
    other = train(tmp_path / "cell", cohort, cell(seed=1))
    assert other["weights_sha256"] != segmented[1]["weights_sha256"]
    assert sorted(other["train"]) == sorted(segmented[1]["train"])


def test_slices_may_be_drawn_by_candidates(segmented, cohort, tmp_path):
    """One slice of each patient looks as if it had tumour: another training, in which half of the rest is that one."""
    slices, split = cohort
    drawn = predictions.open_task(split, cell(), slices, None, candidates=dict.fromkeys(slices, [5 + 7]))
    assert drawn.read("p1")["strata"]["candidates"].tolist() == [7]
    assert drawn.shares["candidates"] == drawn.shares["rest"] and sum(drawn.shares.values()) == pytest.approx(1)
    assert "candidates" not in drawn.read("p1", labelled=False).get("strata", {})
    other = train(tmp_path / "cell", cohort, cell(), candidates=dict.fromkeys(slices, [5 + 7]))
    same = train(tmp_path / "same", cohort, cell(), candidates={})
    before = segmented[1]["weights_sha256"]
    assert same["weights_sha256"] == before != other["weights_sha256"]


def test_n_takes_a_prefix(cohort, tmp_path):
    manifest = train(tmp_path / "cell", cohort, cell(n="2", strategy="frozen-random"))
    assert manifest["train"] == ["p0", "p2"] and manifest["subjects"] == 2
    assert manifest["loaded_share"] is None and manifest["parameters_frozen"] > 2.9e6


def test_slices_are_classified_and_numbered_on_the_template(cohort, tmp_path):
    manifest = train(tmp_path / "cell", cohort, cell(task="classification", strategy="scratch", seed=0))
    rows = read_tsv(tmp_path / "cell" / "predictions.tsv")
    assert manifest["outputs"] == ["tumour-free", "tumour"] and not list((tmp_path / "cell").glob("*.npz"))
    assert {int(row["slice"]) for row in rows} == set(range(5, 13)) and len(rows) == 16
    positive = {int(row["slice"]) for row in rows if row["truth"] == "tumour"}
    assert positive == {7, 8, 9}
    for one, other in zip(rows[::2], rows[1::2]):
        assert float(one["probability"]) + float(other["probability"]) == pytest.approx(1, abs=1e-5)


def test_patients_are_classified_once(cohort, tmp_path):
    slices, split = cohort
    task = split["tasks"]["classification"] | {"target": "diagnosis", "classes": ["high", "low"]}
    content = {key: value for key, value in split.items() if key != "hash"}
    other = freeze(content | {"tasks": split["tasks"] | {"classification": task}})
    truths = {f"p{number}": "high" if number % 2 else "low" for number in range(5)}
    address = cell(task="classification", strategy="lp-ft")
    train(tmp_path / "cell", (slices, other), address, truths=truths, predict_unlabelled=True, keep_weights=True)
    rows = read_tsv(tmp_path / "cell" / "predictions.tsv")
    assert [(row["subject"], row["slice"], row["class"], row["truth"]) for row in rows] == [
        ("p1", "", "high", "high"),
        ("p1", "", "low", "high"),
    ]
    blind = read_tsv(tmp_path / "cell" / "predictions_unlabelled.tsv")
    assert [(row["subject"], row["truth"]) for row in blind] == [("u0", "")] * 2
    with pytest.raises(ValueError, match="truths"):
        train(tmp_path / "none", (slices, other), address)


@pytest.mark.parametrize(
    "change,reason", [({"n": 9}, "n is 9, but fold 1 has 4"), ({"task": "classification"}, "too few")]
)
def test_what_cannot_be_trained_says_why(cohort, tmp_path, change, reason):
    slices, split = cohort
    content = {key: value for key, value in split.items() if key != "hash"}
    task = split["tasks"]["classification"] | {"trainable": False, "reason": "too few labels", "folds": [], "sites": []}
    split = freeze(content | {"tasks": split["tasks"] | {"classification": task}})
    manifest = train(tmp_path / "cell", (slices, split), cell(**change))
    assert not manifest["trained"] and reason in manifest["reason"]
    assert [path.name for path in (tmp_path / "cell").iterdir()] == ["manifest.json"]


def test_a_site_left_out_is_what_is_tested(cohort, tmp_path):
    slices, split = cohort
    manifest = train(tmp_path / "cell", cohort, cell(split="sites", n="2"))
    assert manifest["test"] == ["p2", "p3", "p4"] and sorted(manifest["train"]) == ["p0", "p1"]
    assert not train(tmp_path / "none", cohort, cell(split="between"))["trained"]


def test_a_patient_in_two_roles_stops_before_training(cohort, tmp_path):
    slices, split = cohort
    content = json.loads(json.dumps({key: value for key, value in split.items() if key != "hash"}))
    content["tasks"]["segmentation"]["patients"]["p0"] = "p1"
    with pytest.raises(ValueError, match="p1"):
        train(tmp_path / "cell", (slices, freeze(content)), cell())
    with pytest.raises(ValueError, match="splits.json was changed"):
        train(tmp_path / "cell", (slices, split | {"seed": 5}), cell())
    assert not (tmp_path / "cell").exists()


def test_both_trainings_of_a_transductive_cell_are_timed(tmp_path):
    """What two halves of the target cost, not what the first did; a training that is shared counts once."""
    first, second = (
        {"network": None, "history": [{"step": 1}, {"step": 2}], "seconds": [s, 2 * s]} for s in (1.0, 5.0)
    )
    for made, times in (([first, second], ["6.0", "12.0"]), ([first, dict(first)], ["1.0", "2.0"])):
        cells._write_training(tmp_path, made, keep_weights=False)
        assert [row["seconds"] for row in read_tsv(tmp_path / "seconds.tsv")] == times


def test_wrong_weights_stop_the_cell_and_leave_nothing(cohort, tmp_path):
    slices, split = cohort
    wrong = tmp_path / "weights.pth"
    wrong.write_bytes(b"something else")
    with pytest.raises(sources.SourceError, match="not the file that sources.tsv names"):
        cells.train_cell(tmp_path / "out" / "cell", split, cell(), SOURCE, wrong, slices, **QUICK)
    assert list((tmp_path / "out").iterdir()) == []


def two_a_fold(cohort):
    """The same subjects in folds of two test patients, and of one."""
    slices, split = cohort
    names = split["tasks"]["segmentation"]["subjects"]
    tests = [names[:2], names[2:4], names[4:]]
    folds = [{"test": test, "train": [name for name in names if name not in test]} for test in tests]
    content = {key: value for key, value in split.items() if key != "hash"}
    return slices, freeze(content | {"tasks": {name: task | {"folds": folds} for name, task in split["tasks"].items()}})


@pytest.mark.parametrize("strategy", ["adabn", "coral", "dann"])
@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_each_half_is_predicted_by_the_network_that_saw_the_other(cohort, tmp_path, strategy, task):
    address = cell(strategy=strategy, task=task, fold=0)
    manifest = train(tmp_path / "cell", two_a_fold(cohort), address, keep_weights=True)
    rounds = manifest["adaptation"]
    assert [(one["predicts"], one["adapted_on"]) for one in rounds] == [(["p0"], ["p1", "u0"]), (["p1"], ["p0", "u0"])]
    assert rounds[0]["weights_sha256"] == manifest["weights_sha256"] != rounds[1]["weights_sha256"]
    assert manifest["train"] == ["p2", "p3", "p4"] and manifest["unlabelled"] == []
    found = {path.name for path in (tmp_path / "cell").iterdir()}
    both = {"sub-p0.npz", "sub-p1.npz"} if task == "segmentation" else {"predictions.tsv"}
    assert found == RECORDS | {"weights.pt", *both}
    fit = read_tsv(tmp_path / "cell" / "fit.tsv")
    assert [(row["subject"], row["role"]) for row in fit[2:]] == [("p4", "train"), ("p0", "test"), ("p1", "test")]
    assert len(read_tsv(tmp_path / "cell" / "history.tsv")) == QUICK["steps"]


@pytest.mark.parametrize("strategy", ["adabn", "coral", "dann"])
def test_labels_of_the_target_change_no_byte(cohort, tmp_path, strategy):
    slices, split = two_a_fold(cohort)
    honest = train(tmp_path / "honest", (slices, split), cell(strategy=strategy, fold=0), predict_unlabelled=True)
    spoilt = dict(slices)
    for number, name in enumerate(["p0", "p1"]):
        spoilt[name] = write_slices(tmp_path / name, number)
        packing.write_packed(spoilt[name] / "labels.zlib", np.full((8, 40, 33), 4, np.uint8))
    other = train(tmp_path / "spoilt", (spoilt, split), cell(strategy=strategy, fold=0), predict_unlabelled=True)
    assert other == honest
    for path in (tmp_path / "honest").glob("*.npz"):
        assert path.read_bytes() == (tmp_path / "spoilt" / path.name).read_bytes(), path.name
    # the images are looked at: the same check would find a leak
    spoilt["p1"] = write_slices(tmp_path / "brighter", 77)
    seen = train(tmp_path / "seen", (spoilt, split), cell(strategy=strategy, fold=0))
    assert seen["adaptation"][0]["weights_sha256"] != honest["adaptation"][0]["weights_sha256"]
    assert seen["adaptation"][1]["weights_sha256"] == honest["adaptation"][1]["weights_sha256"]


def test_adabn_is_one_training_with_other_statistics(cohort, tmp_path):
    tuned, adapted = (
        train(tmp_path / name, two_a_fold(cohort), cell(strategy=name, fold=0), keep_weights=True)
        for name in ("fine-tune", "adabn")
    )
    assert tuned["adaptation"] == [] and len(adapted["adaptation"]) == 2
    histories = [(tmp_path / name / "history.tsv").read_bytes() for name in ("fine-tune", "adabn")]
    assert histories[0] == histories[1]
    before, after = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("fine-tune", "adabn"))
    changed = {name.rpartition(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


def test_a_cell_with_nobody_to_adapt_to_is_not_trained(cohort, tmp_path):
    slices, split = cohort
    content = json.loads(json.dumps({key: value for key, value in split.items() if key != "hash"}))
    content["tasks"]["segmentation"]["unlabelled"] = []
    manifest = train(tmp_path / "cell", (slices, freeze(content)), cell(strategy="coral"))
    assert not manifest["trained"] and "fold 1 has neither" in manifest["reason"]
    assert [path.name for path in (tmp_path / "cell").iterdir()] == ["manifest.json"]


def test_a_variant_trains_with_its_own_parameters(cohort, tmp_path):
    variants = {"last-layers-2": {"method": "last-layers", "k": 2}}
    one = train(tmp_path / "one", cohort, cell(strategy="last-layers"))
    two = train(tmp_path / "two", cohort, cell(strategy="last-layers-2"), variants=variants)
    assert two["strategy"] == "last-layers-2" and two["parameters_frozen"] < one["parameters_frozen"]
    assert two["parameters_frozen"] > 0


def test_lora_is_stored_as_an_ordinary_network(segmented, cohort, tmp_path):
    manifest = train(tmp_path / "cell", cohort, cell(strategy="lora"), keep_weights=True)
    state = torch.load(tmp_path / "cell" / "weights.pt", weights_only=True)
    assert set(state) == set(torch.load(segmented[0] / "weights.pt", weights_only=True))
    assert manifest["parameters_frozen"] == 2958848 and manifest["parameters_trained"] < 1e6


def test_the_pull_to_the_source_starts_at_nothing_and_replaces_weight_decay(cohort, tmp_path):
    variants = {"pull": {"method": "l2-sp", "beta": 0.0}, "none": {"method": "l2-sp", "alpha": 0.0, "beta": 0.0}}
    train(tmp_path / "pull", cohort, cell(strategy="pull"), variants=variants)
    added = [float(row["added"]) for row in read_tsv(tmp_path / "pull" / "history.tsv")]
    assert added[0] == 0 and added[2] > 0
    # without any penalty the absent decay is all that differs from fine-tuning
    none = train(tmp_path / "none", cohort, cell(strategy="none"), variants=variants)
    tuned = train(tmp_path / "tuned", cohort, cell(strategy="fine-tune"))
    histories = [read_tsv(tmp_path / name / "history.tsv") for name in ("none", "tuned")]
    assert histories[0][0]["loss"] == histories[1][0]["loss"] and none["weights_sha256"] != tuned["weights_sha256"]
