"""A cell from files to files, on a cohort of small slices with a bright tumour."""

import json
import shutil

import numpy as np
import pytest
import torch

from helpers.fake_cases import CELL
from helpers.fake_cells import QUICK, TABLE, cell, freeze, read_tsv, train, write_slices
from helpers.fake_volumes import CUBE, SHAPE, write_volume
from neurograft.cohort.folds import deal_slices
from neurograft.experiment import network_cells, network_predictions, planning
from neurograft.imaging import packing
from neurograft.networks import builders, encoders_3d
from neurograft.sources import table, weights
from neurograft.training import checkpoints, tasks
from neurograft.training import slices as slices_of
from neurograft.training.tasks import SubjectFiles, open_task

RECORDS = {"manifest.json", "history.tsv", "seconds.tsv", "processor.tsv", "layers.tsv", "features.tsv", "fit.tsv"}


@pytest.fixture(scope="module")
def segmented(cell_cohort, tmp_path_factory):
    """A finished segmentation cell, delivered."""
    folder = tmp_path_factory.mktemp("cells") / "cell"
    return folder, train(folder, cell_cohort, cell(), predict_unlabelled=True, keep_weights=True)


def test_releases_with_other_label_values_train_the_same_network(cell_cohort, segmented, tmp_path):
    slices, split = cell_cohort
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


def test_subjects_without_a_sequence_are_trained_on_and_predicted(cell_cohort, segmented, tmp_path):
    """What stands where a missing sequence would be makes no difference, and is not zero by chance."""
    missing = {"p1": ["flair"], "p3": ["t2"], "u0": ["t1c", "t2"]}
    full, split = lacking(cell_cohort, **missing)
    cut = full | {name: without(full, name, tmp_path / name, *names) for name, names in missing.items()}
    made = [train(tmp_path / str(n), (s, split), cell(), predict_unlabelled=True) for n, s in enumerate((full, cut))]
    assert made[0] == made[1] and made[0]["incomplete"] == missing and made[0]["unlearnt"] == []
    assert made[0]["train"] == segmented[1]["train"] and made[0]["weights_sha256"] != segmented[1]["weights_sha256"]
    for name in ("sub-p1.npz", "sub-u0.npz"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()
    assert "incomplete" not in segmented[1]


def test_a_sequence_that_no_training_subject_has_is_given_to_nobody(cell_cohort, tmp_path):
    slices, split = lacking(cell_cohort, p0=["t2", "flair"])
    few = cell(n="1")
    made = train(tmp_path / "a", (slices, split), few, steps=1)
    assert made["train"] == ["p0"] and made["unlearnt"] == ["t2", "flair"]
    other = slices | {"p1": without(slices, "p1", tmp_path / "p1", "t2", "flair")}
    train(tmp_path / "b", (other, split), few, steps=1)
    assert (tmp_path / "a/sub-p1.npz").read_bytes() == (tmp_path / "b/sub-p1.npz").read_bytes()
    nothing = train(tmp_path / "c", lacking(cell_cohort, p0=["t2", "flair"], p1=["t1c"]), few)
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


def test_a_budget_is_predicted_beside_the_finished_network(cell_cohort, tmp_path):
    manifest = train(tmp_path / "cell", cell_cohort, cell(), steps=6, budgets=[0.5])
    (row,) = read_tsv(tmp_path / "cell/budgets.tsv")
    assert (row["share"], row["steps"]) == ("0.5", "3") and float(row["seconds"]) > 0
    assert manifest["budgets"] == [0.5] and manifest["steps"] == 6
    half, whole = (
        {name: float(value) for name, value in row.items()} for row in read_tsv(tmp_path / "cell/processor.tsv")
    )
    assert (half["share"], whole["share"]) == (0.5, 1) and min(*half.values(), *whole.values()) > 0
    predicted = {path.name for path in (tmp_path / "cell/budget-0.5").iterdir()}
    assert predicted == {f"sub-{subject}.npz" for subject in manifest["test"]}
    for name in predicted:
        assert (tmp_path / "cell" / name).read_bytes() != (tmp_path / "cell/budget-0.5" / name).read_bytes()


def test_an_open_length_holds_back_whole_patients_the_same_for_every_strategy(cell_cohort, tmp_path):
    limits = {"steps": "auto", "auto": {"least": 8, "most": 20, "held_back": 0.3}}
    manifests = [
        train(tmp_path / strategy, cell_cohort, cell(strategy=strategy), **limits) for strategy in ("scratch", "lp-ft")
    ]
    first, second = manifests
    assert first["held_back"] == second["held_back"] and 0 < len(first["held_back"]) < len(first["train"])
    assert set(first["held_back"]) < set(first["train"])
    assert first["steps"] == len(read_tsv(tmp_path / "scratch/history.tsv")) <= 20
    assert {"held_back"} < set(read_tsv(tmp_path / "scratch/history.tsv")[0])


def test_an_open_length_takes_three_training_patients(cell_cohort, tmp_path):
    manifest = train(tmp_path / "cell", cell_cohort, cell(n="2"), steps="auto")
    assert not manifest["trained"] and "takes 3: name steps" in manifest["reason"]


def test_weights_are_those_that_the_manifest_names(segmented):
    folder, manifest = segmented
    state = torch.load(folder / "weights.pt", weights_only=True)
    holder = torch.nn.Module()
    holder.state_dict = lambda: state
    assert checkpoints.hash_weights(holder) == manifest["weights_sha256"]


def test_same_cell_same_bytes_but_for_the_times(segmented, cell_cohort, tmp_path):
    folder, _ = segmented
    train(tmp_path / "cell", cell_cohort, cell(), predict_unlabelled=True, keep_weights=True)
    for path in folder.iterdir():
        if path.name not in ("seconds.tsv", "processor.tsv"):
            assert path.read_bytes() == (tmp_path / "cell" / path.name).read_bytes(), path.name


def test_seeds_and_folds_start_differently(segmented, cell_cohort, tmp_path):
    other = train(tmp_path / "cell", cell_cohort, cell(seed=1))
    assert other["weights_sha256"] != segmented[1]["weights_sha256"]
    assert sorted(other["train"]) == sorted(segmented[1]["train"])


def test_slices_may_be_drawn_by_candidates(segmented, cell_cohort, tmp_path):
    """One slice of each patient looks as if it had tumour: another training, in which half of the rest is that one."""
    slices, split = cell_cohort
    drawn = open_task(split, cell(), SubjectFiles(slices, candidates={key: [5 + 7] for key in slices}))
    assert drawn.read("p1")["strata"]["candidates"].tolist() == [7]
    assert drawn.shares["candidates"] == drawn.shares["rest"] and sum(drawn.shares.values()) == pytest.approx(1)
    assert "candidates" not in drawn.read("p1", labelled=False).get("strata", {})
    other = train(tmp_path / "cell", cell_cohort, cell(), candidates={key: [5 + 7] for key in slices})
    same = train(tmp_path / "same", cell_cohort, cell(), candidates={})
    before = segmented[1]["weights_sha256"]
    assert same["weights_sha256"] == before != other["weights_sha256"]


def test_n_takes_a_prefix(cell_cohort, tmp_path):
    manifest = train(tmp_path / "cell", cell_cohort, cell(n="2", strategy="frozen-random"))
    assert manifest["train"] == ["p0", "p2"] and manifest["subjects"] == 2
    assert manifest["loaded_share"] is None and manifest["parameters_frozen"] > 2.9e6


def test_slices_are_classified_and_numbered_on_the_template(cell_cohort, tmp_path):
    manifest = train(tmp_path / "cell", cell_cohort, cell(task="classification", strategy="scratch", seed=0))
    rows = read_tsv(tmp_path / "cell" / "predictions.tsv")
    assert manifest["outputs"] == ["tumour-free", "tumour"] and not list((tmp_path / "cell").glob("*.npz"))
    assert {int(row["slice"]) for row in rows} == set(range(5, 13)) and len(rows) == 16
    positive = {int(row["slice"]) for row in rows if row["truth"] == "tumour"}
    assert positive == {7, 8, 9}
    for one, other in zip(rows[::2], rows[1::2]):
        assert float(one["probability"]) + float(other["probability"]) == pytest.approx(1, abs=1e-5)


def test_patients_are_classified_once(cell_cohort, tmp_path):
    slices, split = cell_cohort
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
    ("change", "reason"), [({"n": 9}, "n is 9, but fold 1 has 4"), ({"task": "classification"}, "too few")]
)
def test_what_cannot_be_trained_says_why(cell_cohort, tmp_path, change, reason):
    slices, split = cell_cohort
    content = {key: value for key, value in split.items() if key != "hash"}
    task = split["tasks"]["classification"] | {"trainable": False, "reason": "too few labels", "folds": [], "sites": []}
    split = freeze(content | {"tasks": split["tasks"] | {"classification": task}})
    manifest = train(tmp_path / "cell", (slices, split), cell(**change))
    assert not manifest["trained"] and reason in manifest["reason"]
    assert [path.name for path in (tmp_path / "cell").iterdir()] == ["manifest.json"]


def test_a_site_left_out_is_what_is_tested(cell_cohort, tmp_path):
    _slices, _split = cell_cohort
    manifest = train(tmp_path / "cell", cell_cohort, cell(split="sites", n="2"))
    assert manifest["test"] == ["p2", "p3", "p4"] and sorted(manifest["train"]) == ["p0", "p1"]
    assert not train(tmp_path / "none", cell_cohort, cell(split="between"))["trained"]


def test_a_patient_in_two_roles_stops_before_training(cell_cohort, tmp_path):
    slices, split = cell_cohort
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
        network_cells._write_training(tmp_path, made, keep_weights=False)
        assert [row["seconds"] for row in read_tsv(tmp_path / "seconds.tsv")] == times


def test_wrong_weights_stop_the_cell_and_leave_nothing(cell_cohort, tmp_path):
    wrong = tmp_path / "weights.pth"
    wrong.write_bytes(b"something else")
    with pytest.raises(table.SourceError, match="not the file that sources.tsv names"):
        train(tmp_path / "out" / "cell", cell_cohort, cell(), located=wrong)
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
def test_each_half_is_predicted_by_the_network_that_saw_the_other(cell_cohort, tmp_path, strategy, task):
    address = cell(strategy=strategy, task=task, fold=0)
    manifest = train(tmp_path / "cell", two_a_fold(cell_cohort), address, keep_weights=True)
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
def test_labels_of_the_target_change_no_byte(cell_cohort, tmp_path, strategy):
    slices, split = two_a_fold(cell_cohort)
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


def test_adabn_is_one_training_with_other_statistics(cell_cohort, tmp_path):
    tuned, adapted = (
        train(tmp_path / name, two_a_fold(cell_cohort), cell(strategy=name, fold=0), keep_weights=True)
        for name in ("fine-tune", "adabn")
    )
    assert tuned["adaptation"] == [] and len(adapted["adaptation"]) == 2
    histories = [(tmp_path / name / "history.tsv").read_bytes() for name in ("fine-tune", "adabn")]
    assert histories[0] == histories[1]
    before, after = (torch.load(tmp_path / name / "weights.pt", weights_only=True) for name in ("fine-tune", "adabn"))
    changed = {name.rpartition(".")[2] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"running_mean", "running_var", "num_batches_tracked"}


def test_a_cell_with_nobody_to_adapt_to_is_not_trained(cell_cohort, tmp_path):
    slices, split = cell_cohort
    content = json.loads(json.dumps({key: value for key, value in split.items() if key != "hash"}))
    content["tasks"]["segmentation"]["unlabelled"] = []
    manifest = train(tmp_path / "cell", (slices, freeze(content)), cell(strategy="coral"))
    assert not manifest["trained"] and "fold 1 has neither" in manifest["reason"]
    assert [path.name for path in (tmp_path / "cell").iterdir()] == ["manifest.json"]


def test_a_variant_trains_with_its_own_parameters(cell_cohort, tmp_path):
    variants = {"last-layers-2": {"method": "last-layers", "k": 2}}
    one = train(tmp_path / "one", cell_cohort, cell(strategy="last-layers"))
    two = train(tmp_path / "two", cell_cohort, cell(strategy="last-layers-2"), variants=variants)
    assert two["strategy"] == "last-layers-2" and two["parameters_frozen"] < one["parameters_frozen"]
    assert two["parameters_frozen"] > 0


def test_lora_is_stored_as_an_ordinary_network(segmented, cell_cohort, tmp_path):
    manifest = train(tmp_path / "cell", cell_cohort, cell(strategy="lora"), keep_weights=True)
    state = torch.load(tmp_path / "cell" / "weights.pt", weights_only=True)
    assert set(state) == set(torch.load(segmented[0] / "weights.pt", weights_only=True))
    assert manifest["parameters_frozen"] == 2958848 and manifest["parameters_trained"] < 1e6


def test_the_pull_to_the_source_starts_at_nothing_and_replaces_weight_decay(cell_cohort, tmp_path):
    variants = {"pull": {"method": "l2-sp", "beta": 0.0}, "none": {"method": "l2-sp", "alpha": 0.0, "beta": 0.0}}
    train(tmp_path / "pull", cell_cohort, cell(strategy="pull"), variants=variants)
    added = [float(row["added"]) for row in read_tsv(tmp_path / "pull" / "history.tsv")]
    assert added[0] == 0 and added[2] > 0
    # without any penalty the absent decay is all that differs from fine-tuning
    none = train(tmp_path / "none", cell_cohort, cell(strategy="none"), variants=variants)
    tuned = train(tmp_path / "tuned", cell_cohort, cell(strategy="fine-tune"))
    histories = [read_tsv(tmp_path / name / "history.tsv") for name in ("none", "tuned")]
    assert histories[0][0]["loss"] == histories[1][0]["loss"] and none["weights_sha256"] != tuned["weights_sha256"]


SOURCE_CELLS3D = table.read_sources(TABLE)["deepbet"]
WEIGHTS = weights.locate(SOURCE_CELLS3D)
QUICK_CELLS3D = {"steps": 2, "batch": 1}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """Three labelled patients, each tested once."""
    root, names = tmp_path_factory.mktemp("volumes"), ["p0", "p1", "p2"]
    slices = {name: write_volume(root / name / "slices", number) for number, name in enumerate(names)}
    folds = [{"test": [name], "train": [other for other in names if other != name]} for name in names]
    task = {"trainable": True, "reason": "", "sequences": ["t1c", "flair"], "subjects": names, "folds": folds}
    task |= {"sites": [], "between": [], "unlabelled": [], "left_out": {}, "patients": {name: name for name in names}}
    split = {"seed": 0, "folds": 3, "scheme": "brats2018", "schemes": dict.fromkeys(names, "brats2018")}
    return slices, freeze(split | {"tasks": {"segmentation": task}})


def train_cells3d(folder, cohort, strategy, patches=QUICK_CELLS3D, **options):
    """Train a cell of deepbet's encoder and give its manifest."""
    address = CELL | {"source": "deepbet", "strategy": strategy}
    return train(folder, cohort, address, SOURCE_CELLS3D, WEIGHTS, patches=patches, **options)


def test_the_same_cell_gives_the_same_bytes(cohort, tmp_path):
    manifests = [train_cells3d(tmp_path / name, cohort, "lp-ft", keep_weights=True) for name in ("one", "two")]
    assert manifests[0] == manifests[1]
    for path in (tmp_path / "one").iterdir():
        if path.name not in ("seconds.tsv", "processor.tsv"):
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert manifests[0]["trained"] and manifests[0]["loaded_share"] == 1 and manifests[0]["backbone"] == "deepbet"
    # those of patches, not of slices
    assert (manifests[0]["steps"], manifests[0]["batch"]) == (2, 1)
    with np.load(tmp_path / "one" / "sub-p1.npz") as found:
        assert found["WT"].shape == SHAPE and found["box"].tolist() == [[3 + n, 3 + n + m] for n, m in enumerate(SHAPE)]


def test_a_frozen_encoder_is_deepbets_to_the_bit(cohort, tmp_path):
    manifest = train_cells3d(tmp_path / "cell", cohort, "frozen", keep_weights=True)
    state = encoders_3d.rename_weights("deepbet", weights.load_weights(WEIGHTS, SOURCE_CELLS3D["sha256"]))
    trained = torch.load(tmp_path / "cell" / "weights.pt", weights_only=True)
    kept = {name.removeprefix("encoder."): value for name, value in trained.items() if name.startswith("encoder.")}
    assert len(kept) == 20 and manifest["parameters_frozen"] == sum(value.numel() for value in kept.values())
    for name, value in kept.items():
        # the kernel that takes the image has two channels here
        assert name == "conv1.weight" or torch.equal(value, state[name]), name


@pytest.mark.parametrize("strategy", ["scratch", "frozen-random"])
def test_the_controls_of_a_3d_source_are_the_same_network_at_random(strategy, cohort, tmp_path):
    manifest = train_cells3d(tmp_path / "cell", cohort, strategy)
    sizes = [manifest["parameters_trained"], manifest["parameters_frozen"]]
    assert manifest["loaded_share"] is None and manifest["backbone"] == "deepbet"
    network = builders.build_patch_segmenter("deepbet", 2, 3)
    encoder = sum(parameter.numel() for parameter in network.encoder.parameters())
    assert sum(sizes) == sum(parameter.numel() for parameter in network.parameters())
    assert sizes[1] == (encoder if strategy == "frozen-random" else 0)


def test_the_tumour_is_found_where_it_is(cohort, tmp_path):
    variants = {"quick": {"method": "fine-tune", "encoder": 1e-2, "top": 1e-2}}
    train_cells3d(tmp_path / "cell", cohort, "quick", {"steps": 14, "batch": 1}, variants=variants)
    with np.load(tmp_path / "cell" / "sub-p1.npz") as found:
        chance = found["WT"] / 255
    truth = np.zeros(SHAPE, bool)
    truth[CUBE] = True
    # the most probable voxels, as many as the tumour has: so early, the network is sure of nothing
    guess = chance >= np.sort(chance.ravel())[-truth.sum()]
    assert 2 * (guess & truth).sum() / (guess.sum() + truth.sum()) > 0.7


@pytest.mark.parametrize(("strategy", "trained"), [("adabn", False), ("coral", True)])
def test_adaptation_to_the_target_where_the_norms_allow_it(strategy, trained, cohort, tmp_path):
    slices, split = cohort
    blind = slices | {"u0": write_volume(tmp_path / "u0" / "slices", 9, labelled=False)}
    task = split["tasks"]["segmentation"] | {"unlabelled": ["u0"]}
    content = {key: value for key, value in split.items() if key != "hash"} | {"tasks": {"segmentation": task}}
    content["schemes"] = content["schemes"] | {"u0": "brats2018"}
    manifest = train_cells3d(tmp_path / "cell", (blind, freeze(content)), strategy, {"steps": 1, "batch": 1})
    assert manifest["trained"] == trained
    assert trained or "this encoder has none" in manifest["reason"]


def test_a_cell_is_foretold_by_its_own_steps(cohort):
    slices, split = cohort
    design = {"segmentation": {"deepbet": 3}}, split, SubjectFiles(slices), {"deepbet": "deepbet"}
    judged = {"task": "segmentation", "compared": [], "seeds": 1, "margin": 0.02}
    plans = [
        planning.plan_experiment(*design, network_cells.CellOptions(4000, patches={"steps": steps, "batch": 1}), judged)
        for steps in (10, 1000)
    ]
    short, long = (plan["cells"][0]["seconds"] for plan in plans)
    assert long > 5 * short > 0


class Bright(torch.nn.Module):
    """Three regions: where the first channel exceeds 1, 2 and 3."""

    def forward(self, images):
        return torch.cat([20 * (images[:, :1] - level) for level in (1, 2, 3)], dim=1)


class Twos(torch.nn.Module):
    """A classifier that is three to one for the second class, whatever it sees."""

    def forward(self, images):
        return torch.tensor([[0.0, np.log(3)]]).repeat(len(images), 1)


def write(folder, made, task="segmentation", network=Bright, truths=None, planes=("axial",), **roles):
    slices, split = made
    opened = tasks.open_task(split, cell(task=task), SubjectFiles(slices, truths), planes=planes)
    roles = {"test": ["p0"], "unlabelled": []} | roles
    networks = dict.fromkeys((*roles["test"], *roles["unlabelled"]), network())
    network_predictions.write_predictions(folder, task, opened, networks, roles, threads=1)
    return opened


def in_planes(made, folder):
    """The cohort with slices of all planes."""
    slices, split = made
    turned = {}
    for subject, old in slices.items():
        turned[subject] = folder / subject
        labels = old / "labels.zlib"
        drawn = packing.PackedArray(labels)[:] if labels.exists() else None
        index = json.loads((old / "index.json").read_text())
        slices_of.write_slices(
            turned[subject], packing.PackedArray(old / "images.zlib")[:], drawn, index, list(slices_of.PLANES)
        )
    return turned, split


def test_the_predictions_of_planes_lie_on_each_other(cell_cohort, tmp_path):
    """A network that looks at single pixels says the same in every plane, and so does the mean."""
    made = in_planes(cell_cohort, tmp_path / "slices")
    for name, planes in {"one": ["axial"], "all": list(slices_of.PLANES), "other": ["sagittal"]}.items():
        (tmp_path / name).mkdir()
        write(tmp_path / name, made, planes=planes)
    with np.load(tmp_path / "one/sub-p0.npz") as one:
        for name in ("all", "other"):
            with np.load(tmp_path / name / "sub-p0.npz") as other:
                for region in one.files:
                    assert np.abs(one[region].astype(int) - other[region]).max() <= 1


def test_a_network_learns_from_all_planes(cell_cohort, tmp_path):
    made = in_planes(cell_cohort, tmp_path / "slices")
    manifest = train(tmp_path / "cell", made, cell(), planes=list(slices_of.PLANES))
    assert manifest["trained"] and manifest["planes"] == ["axial", "coronal", "sagittal"]
    assert manifest["weights_sha256"] != train(tmp_path / "axial", made, cell())["weights_sha256"]
    assert (tmp_path / "cell/sub-p1.npz").exists()


def test_only_flat_segmenters_have_planes():
    options = network_cells.CellOptions(planes=["axial", "coronal"])
    assert options.choose_planes("segmentation", "efficientnet-lite0") == ("axial", "coronal")
    assert options.choose_planes("classification", "efficientnet-lite0") == ("axial",)
    assert options.choose_planes("segmentation", "deepbet") == ("axial",)


def test_each_region_is_a_byte_on_the_box(cell_cohort, tmp_path):
    opened = write(tmp_path, cell_cohort, unlabelled=["u0"])
    assert opened.outputs == ["WT", "TC", "ET"]
    for subject in ("p0", "u0"):
        folder = cell_cohort[0][subject]
        first = (
            packing.PackedArray(folder / "images.zlib")[:][:, 1].astype(np.float32).transpose(1, 2, 0)
        )  # t1c leads the channels
        with np.load(tmp_path / f"sub-{subject}.npz") as packed:
            assert packed["box"].tolist() == json.loads((folder / "index.json").read_text())["box"]
            for level, region in enumerate(opened.outputs, start=1):
                expected = 255 / (1 + np.exp(-20 * (first.astype(float) - level)))
                # the network may run in a lower precision
                assert packed[region].dtype == np.uint8
                assert np.abs(packed[region] - expected)[np.abs(first - level) > 0.5].max() <= 1


def test_slices_have_their_number_on_the_grid_and_their_truth(cell_cohort, tmp_path):
    write(tmp_path, cell_cohort, "classification", Twos, unlabelled=["u0"])
    rows = read_tsv(tmp_path / "predictions.tsv")
    assert {row["subject"] for row in rows} == {"p0"}
    box = json.loads((cell_cohort[0]["p0"] / "index.json").read_text())["box"][2]
    assert {int(row["slice"]) for row in rows} <= set(range(*box))
    chances = {row["class"]: float(row["probability"]) for row in rows}
    assert chances["tumour"] == pytest.approx(0.75, abs=1e-3) and chances["tumour-free"] == pytest.approx(
        0.25, abs=1e-3
    )
    with_tumour = {int(row["slice"]) - box[0] for row in rows if row["truth"] == "tumour"}
    assert with_tumour == {2, 3, 4}
    unlabelled = read_tsv(tmp_path / "predictions_unlabelled.tsv")
    assert {row["subject"] for row in unlabelled} == {"u0"} and {row["truth"] for row in unlabelled} == {""}


def test_a_class_of_patients_is_one_row_a_class(cell_cohort, tmp_path):
    slices, split = cell_cohort
    task = split["tasks"]["classification"] | {"target": "diagnosis", "classes": ["glioma", "metastasis"]}
    split = split | {"tasks": split["tasks"] | {"classification": task}}
    write(tmp_path, (slices, split), "classification", Twos, {"p0": "glioma"})
    rows = read_tsv(tmp_path / "predictions.tsv")
    assert [(row["slice"], row["class"], row["truth"]) for row in rows] == [
        ("", "glioma", "glioma"),
        ("", "metastasis", "glioma"),
    ]
    assert not (tmp_path / "predictions_unlabelled.tsv").exists()


def test_a_column_as_target_needs_the_answers(cell_cohort):
    slices, split = cell_cohort
    task = split["tasks"]["classification"] | {"target": "diagnosis"}
    with pytest.raises(ValueError, match="diagnosis"):
        tasks.open_task({"tasks": {"classification": task}}, {"task": "classification"}, SubjectFiles(slices))


def by_slice(cohort, folds):
    """The cohort with folds by slice."""
    slices, split = cohort
    task = split["tasks"]["classification"]
    made = deal_slices(task["subjects"], {}, folds, 0, parts=True)
    tasks_of = split["tasks"] | {"classification": task | {"slices": made, "own": []}}
    return slices, freeze(split | {"tasks": tasks_of})


def test_by_slice_every_picture_is_tested_once_and_every_patient_trained_on(cell_cohort, tmp_path):
    seen, everyone = [], {f"p{k}" for k in range(5)}
    for fold in range(2):
        address = cell(task="classification", split="slices", fold=fold, strategy="frozen")
        made = train(tmp_path / str(fold), by_slice(cell_cohort, 2), address, steps=1)
        assert made["trained"] and made["subjects"] == 5
        assert {name[:2] for name in made["test"]} == {name[:2] for name in made["train"]} == everyone
        rows = read_tsv(tmp_path / str(fold) / "predictions.tsv")
        seen += [(row["subject"], row["slice"]) for row in rows if row["class"] == "tumour"]
        assert {row["subject"] for row in rows} == everyone
    assert len(seen) == len(set(seen)) == 5 * 8


def test_random_labels_are_learnt_and_tested(cell_cohort, tmp_path):
    address = cell(task="classification", split="slices-random-labels", strategy="frozen")
    made = train(tmp_path / "cell", by_slice(cell_cohort, 9), address, steps=1)
    # eight slices in nine parts: one of each patient's is empty, and left out
    assert made["trained"] and 35 <= made["subjects"] + len(made["test"]) <= 40
    rows = read_tsv(tmp_path / "cell" / "predictions.tsv")
    truths = {name: {row["truth"] for row in rows if row["subject"] == name} for name in {r["subject"] for r in rows}}
    assert all(len(each) == 1 for each in truths.values())


def test_a_split_by_slice_that_was_not_made_trains_nothing(cell_cohort, tmp_path):
    made = train(tmp_path / "cell", cell_cohort, cell(task="classification", split="slices"))
    assert not made["trained"] and made["reason"] == "slices has 0 folds: no fold 1"
