"""A cell of a 3-D source, from files to files: patients with a bright cube in a box of noise."""

import numpy as np
import pytest
import torch
from fake_cases import CELL
from fake_volumes import CUBE, SHAPE, write_volume
from test_cells import TABLE, freeze

from neurograft import cells, networks3d, planning, sources

SOURCE = sources.read_sources(TABLE)["deepbet"]
WEIGHTS = sources.locate(SOURCE)
QUICK = {"steps": 2, "batch": 1}


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


def train(folder, cohort, strategy, patches=QUICK, **options):
    """Train a cell of deepbet's encoder and give its manifest."""
    slices, split = cohort
    address = CELL | {"source": "deepbet", "strategy": strategy}
    return cells.train_cell(folder, split, address, SOURCE, WEIGHTS, slices, patches=patches, **options)


def test_the_same_cell_gives_the_same_bytes(cohort, tmp_path):
    manifests = [train(tmp_path / name, cohort, "lp-ft", keep_weights=True) for name in ("one", "two")]
    assert manifests[0] == manifests[1]
    for path in (tmp_path / "one").iterdir():
        if path.name != "seconds.tsv":
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name
    assert manifests[0]["trained"] and manifests[0]["loaded_share"] == 1 and manifests[0]["backbone"] == "deepbet"
    # those of patches, not of slices
    assert (manifests[0]["steps"], manifests[0]["batch"]) == (2, 1)
    with np.load(tmp_path / "one" / "sub-p1.npz") as found:
        assert found["WT"].shape == SHAPE and found["box"].tolist() == [[3 + n, 3 + n + m] for n, m in enumerate(SHAPE)]


def test_a_frozen_encoder_is_deepbets_to_the_bit(cohort, tmp_path):
    manifest = train(tmp_path / "cell", cohort, "frozen", keep_weights=True)
    state = networks3d.rename_weights("deepbet", sources.load_weights(WEIGHTS, SOURCE["sha256"]))
    trained = torch.load(tmp_path / "cell" / "weights.pt", weights_only=True)
    kept = {name.removeprefix("encoder."): value for name, value in trained.items() if name.startswith("encoder.")}
    assert len(kept) == 20 and manifest["parameters_frozen"] == sum(value.numel() for value in kept.values())
    for name, value in kept.items():
        # the kernel that takes the image has two channels here
        assert name == "conv1.weight" or torch.equal(value, state[name]), name


@pytest.mark.parametrize("strategy", ["scratch", "frozen-random"])
def test_the_controls_of_a_3d_source_are_the_same_network_at_random(strategy, cohort, tmp_path):
    manifest = train(tmp_path / "cell", cohort, strategy)
    sizes = [manifest["parameters_trained"], manifest["parameters_frozen"]]
    assert manifest["loaded_share"] is None and manifest["backbone"] == "deepbet"
    network = networks3d.build_segmenter("deepbet", 2, 3)
    encoder = sum(parameter.numel() for parameter in network.encoder.parameters())
    assert sum(sizes) == sum(parameter.numel() for parameter in network.parameters())
    assert sizes[1] == (encoder if strategy == "frozen-random" else 0)


def test_the_tumour_is_found_where_it_is(cohort, tmp_path):
    variants = {"quick": {"method": "fine-tune", "encoder": 1e-2, "top": 1e-2}}
    train(tmp_path / "cell", cohort, "quick", {"steps": 14, "batch": 1}, variants=variants)
    with np.load(tmp_path / "cell" / "sub-p1.npz") as found:
        chance = found["WT"] / 255
    truth = np.zeros(SHAPE, bool)
    truth[CUBE] = True
    # the most probable voxels, as many as the tumour has: so early, the network is sure of nothing
    guess = chance >= np.sort(chance.ravel())[-truth.sum()]
    assert 2 * (guess & truth).sum() / (guess.sum() + truth.sum()) > 0.7


@pytest.mark.parametrize("strategy,trained", [("adabn", False), ("coral", True)])
def test_adaptation_to_the_target_where_the_norms_allow_it(strategy, trained, cohort, tmp_path):
    slices, split = cohort
    blind = slices | {"u0": write_volume(tmp_path / "u0" / "slices", 9, labelled=False)}
    task = split["tasks"]["segmentation"] | {"unlabelled": ["u0"]}
    content = {key: value for key, value in split.items() if key != "hash"} | {"tasks": {"segmentation": task}}
    content["schemes"] = content["schemes"] | {"u0": "brats2018"}
    manifest = train(tmp_path / "cell", (blind, freeze(content)), strategy, {"steps": 1, "batch": 1})
    assert manifest["trained"] == trained
    assert trained or "this encoder has none" in manifest["reason"]


def test_a_cell_is_foretold_by_its_own_steps(cohort):
    slices, split = cohort
    options = {"steps": 4000, "batch": 16, "threads": 1}
    seconds = [
        planning.plan_experiment(
            {"segmentation": {"deepbet": 3}},
            split,
            slices,
            {"deepbet": "deepbet"},
            ["scratch"],
            **options,
            patches={"steps": steps, "batch": 1},
        )["cells"][0]["seconds"]
        for steps in (10, 1000)
    ]
    assert seconds[1] > 5 * seconds[0] > 0
