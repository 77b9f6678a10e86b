"""What a training changed, on networks whose change is known."""

import copy
import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from helpers.fake_cases import CASES, SHARES
from neurograft.core import tables
from neurograft.experiment import training_records
from neurograft.networks import builders, compute, encoders_3d
from neurograft.training import loop, slice_batches, strategy_plans

NAMES = ("p0", "p1", "p2")
READ = dict(zip(NAMES, [*CASES, CASES[0]])).get
# 3 subjects: 6 inputs each
OPTIONS = {"steps": 30, "batch": 6, "threads": 1}
ROLES = {"train": ["p0"], "test": ["p1", "p2"]}


def train(strategy, task="segmentation", seed=0, steps=2):
    """A round of a cell, as `cells` makes it."""
    torch.manual_seed(seed)
    network = builders.build_segmenter("efficientnet-lite0", 2, 1)
    plan = strategy_plans.plan(strategy, network)
    made = {"before": copy.deepcopy(network), "network": network, "plan": plan, "predicts": ["p1", "p2"]}
    if plan.prepare:
        plan.prepare(network)
    loop.train(network, CASES, plan.phases, task, SHARES, loop.TrainingOptions(steps, 2))
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
    inputs = training_records.Inputs(READ, ROLES, NAMES, OPTIONS | options)
    training_records.write_records(folder, "segmentation", made, inputs)
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
        images, masks = slice_batches.draw_fixed(READ(row["subject"]), 6)
        with torch.no_grad(), compute.lower_precision():
            logits = network.eval()(images).float()
        assert float(row["loss"]) == pytest.approx(float(loop.dice_and_cross_entropy(logits, masks)))
        assert float(row["dice"]) == pytest.approx(float(loop.batch_dice(logits, masks)))


def test_same_network_same_bytes(tuned, tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name, [tuned])
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


class VolumeClassifier(nn.Module):
    """A 3-D network of two classes."""

    def __init__(self):
        super().__init__()
        self.encoder = encoders_3d.build_encoder("deepbet", 1)
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
    plan = strategy_plans.Plan(True, (strategy_plans.Phase(1.0, {"head.weight": 1.0, "head.bias": 1.0}),))
    made = [{"before": before, "network": after, "plan": plan, "predicts": ["b"]}]
    cases = {"a": 1, "b": 2}
    roles = {"train": ["a"], "test": ["b"]}
    inputs = training_records.Inputs(cases.get, roles, cases, OPTIONS | {"steps": 1})
    training_records.write_records(tmp_path, "classification", made, inputs, draw)
    layers, features, fit = (tables.read_table(tmp_path / f"{name}.tsv") for name in ("layers", "features", "fit"))
    assert [row["layer"] for row in layers if row["trained"] == "true"] == ["head"]
    assert [float(row["cka"]) for row in features] == pytest.approx([1.0] * 5) and features[0]["samples"] == "4"
    assert [(row["role"], row["accuracy"]) for row in fit] == [("train", "0.5"), ("test", "0.5")]


@pytest.mark.parametrize(("steps", "batch", "subjects", "count"), [(400, 16, 10, 16), (400, 2, 10, 8), (4, 4, 6, 4)])
def test_looking_takes_a_small_part_of_the_training(steps, batch, subjects, count):
    assert training_records.count_inputs({"steps": steps, "batch": batch}, range(subjects)) == count


def test_of_thousands_the_same_few_hundred_are_looked_at_in_every_cell():
    names = [f"p{k:04d}" for k in range(3000)]
    cells = [{"train": names[:k] + names[k + 600 :], "test": names[k : k + 600]} for k in (0, 600, 1200)]
    chosen = [dict(training_records.choose_subjects(roles, names)) for roles in cells]
    assert {len(one) for one in chosen} == {300} and set(chosen[0]) == set(chosen[1]) == set(chosen[2])
    assert sum(role == "test" for role in chosen[0].values()) == 60
    few = {"train": names[:2], "test": names[2:300]}
    assert training_records.choose_subjects(few, names) == [(n, "train") for n in names[:2]] + [
        (n, "test") for n in names[2:300]
    ]


def test_too_few_samples_have_no_similarity():
    """Three patients of one image each."""
    features = [np.random.default_rng(0).normal(size=(3, 5))]
    (row,) = training_records.compare_stages(features, features)
    assert row["samples"] == 3 and np.isnan(row["cka"])


def plain_cka(first, second):
    """The biased form, from centred cross-covariances."""
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    norm = np.linalg.norm
    return norm(first.T @ second) ** 2 / (norm(first.T @ first) * norm(second.T @ second))


def test_independent_features_are_not_similar():
    """256 features at n = 40: the plain form gives 0.86, which is why it is not used."""
    rng = np.random.default_rng(0)
    pairs = [rng.standard_normal((2, 40, 256)) for _ in range(40)]
    assert np.mean([plain_cka(*pair) for pair in pairs]) == pytest.approx(0.86, abs=0.02)
    made = [training_records.linear_cka(*pair) for pair in pairs]
    assert abs(np.mean(made)) < 0.01 and max(np.abs(made)) < 0.1


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.integers(4, 30), st.integers(1, 40), st.floats(1e-6, 1e6))
def test_rotation_scale_and_shift_change_nothing(seed, count, width, scale):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(count, width))
    rotation = np.linalg.qr(rng.normal(size=(width, width)))[0]
    moved = scale * (features @ rotation + rng.normal(size=width))
    made = training_records.linear_cka(features, moved)
    assert made == pytest.approx(1, abs=1e-5) or (count == 4 and np.isnan(made))


def test_the_estimator_is_the_mean_over_quadruples():
    """HSIC_1 is a U-statistic: the mean of its kernel over all ordered quadruples of different samples."""
    rng = np.random.default_rng(1)
    first, second = (part @ part.T for part in rng.normal(size=(2, 6, 3)))
    total = [
        first[i, j] * (second[i, j] + second[q, r] - 2 * second[i, q])
        for i, j, q, r in itertools.permutations(range(6), 4)
    ]
    assert training_records.unbiased_hsic(first, second) == pytest.approx(np.mean(total))


def test_similarity_falls_with_noise():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(200, 10))
    made = [
        training_records.linear_cka(features, features + noise * rng.normal(size=(200, 10)))
        for noise in (0, 0.5, 2, 20)
    ]
    assert made == sorted(made, reverse=True) and made[0] == pytest.approx(1) and abs(made[-1]) < 0.1


def test_what_has_no_similarity():
    features = np.random.default_rng(3).normal(size=(10, 4))
    assert np.isnan(training_records.linear_cka(features, np.ones((10, 4))))
    for first, second in ((10, 9), (3, 3)):
        with pytest.raises(ValueError, match="at least 4 samples"):
            training_records.linear_cka(features[:first], features[:second])


def small_network():
    """A convolution, BatchNorm, and a linear layer whose bias starts at zero."""
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3), torch.nn.BatchNorm2d(3), torch.nn.Linear(3, 2))
    torch.nn.init.zeros_(network[2].bias)
    return network


def test_weights_that_moved_by_a_known_share():
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with torch.no_grad():
        network[0].weight *= 1.1
        network[0].bias *= 1.1
    network[1](torch.randn(4, 3, 5, 5))  # in training mode: moves the running statistics only
    stem, norm, head = training_records.compare_weights(before, network.state_dict())
    assert stem["layer"] == "0" and stem["values"] == 57 and stem["change"] == pytest.approx(0.1, rel=1e-4)
    assert np.isnan(stem["statistics_change"])
    assert norm["change"] == 0 and 0 < norm["statistics_change"] < 1
    assert head["change"] == 0 and head["reason"] == ""


def test_layers_that_cannot_be_compared_say_why():
    before = {
        "a.weight": np.ones((2, 3)),
        "b.weight": np.zeros(4),
        "c.weight": np.ones(1),
        "d.running_mean": np.ones(2),
    }
    after = {"a.weight": np.ones((2, 4)), "b.weight": np.ones(4), "d.running_mean": 2 * np.ones(2)}
    shape, zero, missing, norm = training_records.compare_weights(before, after)
    assert np.isnan(shape["change"]) and "a.weight" in shape["reason"]
    assert np.isinf(zero["change"])
    assert np.isnan(missing["change"]) and "c.weight" in missing["reason"]
    assert np.isnan(norm["change"]) and norm["statistics_change"] == 1 and norm["values"] == 0
