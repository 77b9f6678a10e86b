"""What a training changed, on networks whose change is known."""

import copy

import numpy as np
import pytest
import torch
from fake_cases import CASES, SHARES
from torch import nn

from neurograft import computing, networks, networks3d, records, strategies, tables, training

NAMES = ("p0", "p1", "p2")
READ = dict(zip(NAMES, [*CASES, CASES[0]])).get
# 3 subjects: 6 inputs each
OPTIONS = {"steps": 30, "batch": 6, "threads": 1}
ROLES = {"train": ["p0"], "test": ["p1", "p2"]}


def train(strategy, task="segmentation", seed=0, steps=2):
    """A round of a cell, as `cells` makes it."""
    torch.manual_seed(seed)
    network = networks.build_segmenter("efficientnet-lite0", 2, 1)
    plan = strategies.plan(strategy, network)
    made = {"before": copy.deepcopy(network), "network": network, "plan": plan, "predicts": ["p1", "p2"]}
    if plan.prepare:
        plan.prepare(network)
    training.train(network, CASES, plan.phases, task, SHARES, steps=steps, batch=2)
    if plan.finish:
        plan.finish(network)
    return made


@pytest.fixture(scope="module")
def tuned():
    """A network that trained as a whole."""
    return train("fine-tune")


def write(folder, made, **options):
    """Write the records of some rounds, and read them back."""
    folder.mkdir()
    records.write_records(folder, "segmentation", READ, made, ROLES, NAMES, OPTIONS | options)
    return {name: tables.read_table(folder / f"{name}.tsv") for name in ("layers", "features", "fit")}


def test_a_frozen_encoder_has_not_changed_and_its_top_has(tmp_path):
    found = write(tmp_path / "cell", [train("frozen")])
    encoder = [row for row in found["layers"] if row["part"] == "encoder"]
    top = [row for row in found["layers"] if row["part"] == "top"]
    assert {row["trained"] for row in encoder} == {"false"} and {row["trained"] for row in top} == {"true"}
    # exactly: frozen is frozen, its running statistics too
    assert {float(row["change"]) for row in encoder} == {0.0}
    assert {row["statistics_change"] for row in encoder} <= {"0.0", "n/a"}
    assert all(float(row["change"]) > 0 for row in top)
    assert [float(row["cka"]) for row in found["features"]] == pytest.approx([1.0] * 5)
    assert [row["stage"] for row in found["features"]] == list("12345")
    assert {row["samples"] for row in found["features"]} == {str(3 * 3)}


def test_a_trained_encoder_has_changed_everywhere(tuned, tmp_path):
    found = write(tmp_path / "cell", [tuned])
    assert {row["trained"] for row in found["layers"]} == {"true"}
    assert all(float(row["change"]) > 0 for row in found["layers"])
    assert all(float(row["cka"]) < 1 - 1e-6 for row in found["features"])
    stages = {row["stage"] for row in found["layers"] if row["part"] == "encoder"}
    assert stages == set("12345") and {row["stage"] for row in found["layers"] if row["part"] == "top"} == {""}
    network = tuned["network"]
    assert sum(int(row["values"]) for row in found["layers"]) == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("strategy", ["last-layers", "lora"])
def test_trained_layers_are_those_that_moved(strategy, tmp_path):
    """Also those of which LoRA changes the kernel, under the network's ordinary names."""
    layers = write(tmp_path / "cell", [train(strategy)])["layers"]
    encoder = [row for row in layers if row["part"] == "encoder"]
    moved = {row["layer"] for row in encoder if float(row["change"]) > 0}
    assert {row["layer"] for row in encoder if row["trained"] == "true"} == moved
    assert moved and moved != {row["layer"] for row in encoder}
    if strategy == "last-layers":
        assert {row["stage"] for row in encoder if row["trained"] == "true"} == {"5"}


def test_fit_is_of_the_network_that_predicts_and_by_the_loss_that_trained(tuned, tmp_path):
    rounds = [tuned | {"predicts": ["p1"]}, train("fine-tune", seed=1) | {"predicts": ["p2"]}]
    fit = write(tmp_path / "cell", rounds)["fit"]
    assert [(row["subject"], row["role"]) for row in fit] == [("p0", "train"), ("p1", "test"), ("p2", "test")]
    for row, network in zip(fit, [rounds[0]["network"], rounds[0]["network"], rounds[1]["network"]]):
        images, masks = records.draw_fixed(READ(row["subject"]), 6)
        with torch.no_grad(), computing.lower_precision():
            logits = network.eval()(images).float()
        assert float(row["loss"]) == pytest.approx(float(training.dice_and_cross_entropy(logits, masks)))
        assert float(row["dice"]) == pytest.approx(float(training.batch_dice(logits, masks)))


def test_same_network_same_bytes(tuned, tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name, [tuned])
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


class VolumeClassifier(nn.Module):
    """A 3-D network of two classes."""

    def __init__(self):
        super().__init__()
        self.encoder = networks3d.build_encoder("deepbet", 1)
        self.head = nn.Linear(128, 2)

    def forward(self, volumes):
        return self.head(self.encoder(volumes)[-1].mean((2, 3, 4)))


def test_volumes_are_recorded_as_slices_are(tmp_path):
    """Whatever draws the inputs; a network that calls everything class 1 is right in every second."""

    def draw(case, count):
        volumes = torch.from_numpy(np.random.default_rng(case).normal(size=(count, 1, 64, 32, 32))).float()
        return volumes, torch.arange(count) % 2

    torch.manual_seed(0)
    before = VolumeClassifier()
    after = copy.deepcopy(before)
    with torch.no_grad():
        after.head.weight.zero_()
        after.head.bias.copy_(torch.tensor([0.0, 5.0]))
    plan = strategies.Plan(True, (strategies.Phase(1.0, {"head.weight": 1.0, "head.bias": 1.0}),))
    made = [{"before": before, "network": after, "plan": plan, "predicts": ["b"]}]
    cases = {"a": 1, "b": 2}
    roles = {"train": ["a"], "test": ["b"]}
    records.write_records(tmp_path, "classification", cases.get, made, roles, cases, OPTIONS | {"steps": 1}, draw)
    layers, features, fit = (tables.read_table(tmp_path / f"{name}.tsv") for name in ("layers", "features", "fit"))
    assert [row["layer"] for row in layers if row["trained"] == "true"] == ["head"]
    assert [float(row["cka"]) for row in features] == pytest.approx([1.0] * 5) and features[0]["samples"] == "4"
    assert [(row["role"], row["accuracy"]) for row in fit] == [("train", "0.5"), ("test", "0.5")]


@pytest.mark.parametrize("steps, batch, subjects, count", [(400, 16, 10, 16), (400, 2, 10, 8), (4, 4, 6, 4)])
def test_looking_takes_a_small_part_of_the_training(steps, batch, subjects, count):
    assert records.count_inputs({"steps": steps, "batch": batch}, range(subjects)) == count


def test_of_thousands_the_same_few_hundred_are_looked_at_in_every_cell():
    names = [f"p{k:04d}" for k in range(3000)]
    cells = [{"train": names[:k] + names[k + 600 :], "test": names[k : k + 600]} for k in (0, 600, 1200)]
    chosen = [dict(records.choose_subjects(roles, names)) for roles in cells]
    assert {len(one) for one in chosen} == {300} and set(chosen[0]) == set(chosen[1]) == set(chosen[2])
    assert sum(role == "test" for role in chosen[0].values()) == 60
    few = {"train": names[:2], "test": names[2:300]}
    assert records.choose_subjects(few, names) == [(n, "train") for n in names[:2]] + [
        (n, "test") for n in names[2:300]
    ]


def test_too_few_samples_have_no_similarity():
    """Three patients of one image each."""
    features = [np.random.default_rng(0).normal(size=(3, 5))]
    (row,) = records.compare_stages(features, features)
    assert row["samples"] == 3 and np.isnan(row["cka"])
