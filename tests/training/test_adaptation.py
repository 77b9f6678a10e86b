"""Adaptation: known values of the losses, what they do to features, and what AdaBN may touch."""

import numpy as np
import pytest
import torch
from torch import nn

from neurograft.networks import builders, compute
from neurograft.training import adaptation, loop, strategy_plans


def samples(seed, spread=1.0, shift=0.0, count=400, channels=5):
    """Normal samples of a known spread and mean."""
    return spread * torch.randn(count, channels, generator=torch.Generator().manual_seed(seed)) + shift


def make_case(seed, scale=1.0, shift=0.0):
    """A patient of 32x32 slices with a bright square, on a scanner of its own."""
    random = np.random.default_rng(seed)
    labels = np.zeros((6, 32, 32), np.uint8)
    labels[:3, 8:20, 8:20] = 1
    images = scale * (random.normal(0, 1, (6, 3, 32, 32)) + 3 * labels[:, None]) + shift
    case = {"images": images.astype(np.float16), "channels": [0, 1, 2], "labels": labels}
    strata = {"tumour": np.arange(3), "rest": np.arange(3, 6)}
    return case | {"regions": np.arange(256)[:, None] == 1, "strata": strata}


def make_target(seed, scale=4.0, shift=2.0):
    """The same on another scanner, without labels."""
    case = make_case(seed, scale, shift)
    return {"images": case["images"], "channels": case["channels"], "strata": {"any": np.arange(6)}}


def test_coral_equals_the_formula():
    source, target = samples(0), samples(1, spread=2.0)
    gap = np.cov(source.numpy(), rowvar=False) - np.cov(target.numpy(), rowvar=False)
    expected = np.linalg.norm(gap, "fro") ** 2 / (4 * 5**2)
    assert float(adaptation.coral_loss(source, target)) == pytest.approx(expected, rel=1e-5)


def test_coral_sees_spread_but_not_the_mean():
    source = samples(0)
    assert float(adaptation.coral_loss(source, source + 7)) == pytest.approx(0, abs=1e-9)
    # covariances I and 4 I differ by 3 in each of d places: 9 d / (4 d^2)
    wide = adaptation.coral_loss(samples(0, count=50_000), samples(1, spread=2.0, count=50_000))
    assert float(wide) == pytest.approx(9 / 20, rel=0.05)


def test_reversal_changes_the_gradient_alone():
    features = torch.tensor([[1.0, -2.0]], requires_grad=True)
    same = adaptation.reverse_gradient(features, 0.5)
    assert torch.equal(same, features)
    (same * torch.tensor([3.0, 4.0])).sum().backward()
    assert features.grad.tolist() == [[-1.5, -2.0]]


def test_the_domain_head_learns_what_the_encoder_unlearns():
    network = nn.Module()
    network.domain_head = nn.Linear(2, 1)
    features = torch.randn(8, 2, 3, 3, requires_grad=True)
    loss = adaptation.confuse_domains(network, (), weight=1.0)
    # at the start the encoder does not feel it, later it is driven up the loss that the head descends
    loss(features[:4], features[4:], 0.0).backward()
    assert float(features.grad.abs().max()) == 0 and float(network.domain_head.weight.grad.abs().max()) > 0
    features.grad = None
    value = loss(features[:4], features[4:], 1.0)
    value.backward()
    with torch.no_grad():
        moved = features - 0.1 * features.grad
        assert float(loss(moved[:4], moved[4:], 1.0)) > float(value)


def test_domain_head_comes_and_goes():
    network = builders.build_segmenter("efficientnet-lite0", 3, 1)
    before = list(network.state_dict())
    adaptation.add_domain_head(network)
    assert set(network.state_dict()) - set(before) == set(adaptation.DOMAIN_PARAMETERS)
    adaptation.remove_domain_head(network)
    assert list(network.state_dict()) == before


@pytest.mark.parametrize("strategy", ["coral", "dann"])
def test_aligned_features_differ_less_between_scanners(strategy):
    cases, targets = [make_case(0), make_case(1)], [make_target(2), make_target(3)]

    def gap(weight):
        with compute.reproducible(0):
            network = builders.build_classifier("efficientnet-lite0", 3, 2)
            plan = strategy_plans.plan("x", network, {"x": {"method": strategy, "weight": weight}})
            if plan.prepare:
                plan.prepare(network)
        labelled = [case | {"classes": np.repeat([1, 0], 3)} for case in cases]
        blind = [{name: value for name, value in case.items() if name != "labels"} for case in labelled]
        extra = plan.extra(network, ())
        shares = {"tumour": 0.5, "rest": 0.5}
        options, hooks = loop.TrainingOptions(steps=30, batch=6), loop.Hooks(extra=extra, targets=targets)
        loop.train(network, blind, plan.phases, "classification", shares, options, hooks)
        # as in a step of CORAL: both in one pass, for this short a training leaves running statistics far from its own,
        # by which the features of evaluation are nearly nothing; DANN's are told apart well enough by these
        network.train(strategy == "coral")
        images = torch.cat([torch.from_numpy(one["images"]).float() for one in (*cases, *targets)])
        with torch.no_grad():
            source, target = network.encoder(images)[-1].chunk(2)
        if strategy == "coral":
            return float(adaptation.align_correlations(network, (), 1.0)(source, target, 1.0))
        middle = [features.mean((2, 3)).mean(0) for features in (source, target)]
        spread = torch.cat([source, target]).mean((2, 3)).std(0).mean()
        return float((middle[0] - middle[1]).abs().mean() / spread)

    assert gap(10.0 if strategy == "coral" else 1.0) < 0.8 * gap(0.0)


def test_adabn_changes_statistics_only_and_needs_no_labels():
    network = builders.build_segmenter("efficientnet-lite0", 3, 1)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    adaptation.adapt_batch_norm(network, [make_target(0)], loop.TrainingOptions(batch=6))
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    statistics = {name for name in before if name.endswith(("running_mean", "running_var", "num_batches_tracked"))}
    assert changed == statistics
    # the decoder's too, and momenta are as before
    assert any(name.startswith("decoder.") for name in statistics)
    assert all(m.momentum == pytest.approx(0.1) for m in network.modules() if isinstance(m, nn.BatchNorm2d))


def test_adabn_takes_the_targets_own_mean_and_variance():
    network = nn.Sequential(nn.BatchNorm2d(3))
    case = make_target(0, scale=4.0, shift=2.0)
    adaptation.adapt_batch_norm(network, [case], loop.TrainingOptions(batch=6))
    images = case["images"].astype(np.float32)
    np.testing.assert_allclose(network[0].running_mean.numpy(), images.mean((0, 2, 3)), atol=0.3)
    np.testing.assert_allclose(network[0].running_var.numpy(), images.var((0, 2, 3)), rtol=0.1)


def test_adabn_is_the_same_again_whatever_the_statistics_were():
    first, second = (builders.build_segmenter("efficientnet-lite0", 3, 1) for _ in range(2))
    second.load_state_dict(first.state_dict())
    adaptation.adapt_batch_norm(second, [make_target(5, scale=1.0)], loop.TrainingOptions(batch=6, seed=4))
    for network in (first, second):
        adaptation.adapt_batch_norm(network, [make_target(0)], loop.TrainingOptions(batch=6, seed=3))
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))


def test_norms_are_looked_for():
    assert adaptation.has_batch_norm(nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)))
    for norm in (nn.InstanceNorm2d(4), nn.GroupNorm(2, 4), nn.BatchNorm2d(4, track_running_stats=False)):
        assert not adaptation.has_batch_norm(nn.Sequential(norm))
