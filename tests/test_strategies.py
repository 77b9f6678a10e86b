"""What each strategy trains, and what it must leave alone."""

import numpy as np
import pytest
import torch

from neurograft import networks, strategies, training


@pytest.fixture(scope="module")
def cases():
    """Two patients of 32x32 slices with a bright square as tumour."""
    random, made = np.random.default_rng(0), []
    for _ in range(2):
        labels = np.zeros((6, 32, 32), np.uint8)
        labels[:3, 8:20, 8:20] = 1
        images = random.normal(0, 1, (6, 3, 32, 32)) + 3 * labels[:, None]
        table = np.arange(256)[:, None] == 1
        strata = {"tumour": np.arange(3), "rest": np.arange(3, 6)}
        made.append({"images": images.astype(np.float16), "channels": [0, 1, 2], "labels": labels, "regions": table})
        made[-1]["strata"] = strata
    return made


def build(seed=0):
    """A segmenter whose random start is the seed's."""
    torch.manual_seed(seed)
    return networks.build_segmenter("efficientnet-lite0", 3, 1)


def run(strategy, cases, steps=6):
    """Train a few steps; give the network, its plan and all tensors before and after."""
    network = build()
    plan = strategies.plan(strategy, network)
    if plan.estimate_norms:
        training.estimate_norms(network, cases, count=2, batch=4)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    training.train(network, cases, plan.phases, "segmentation", {"tumour": 0.5, "rest": 0.5}, steps=steps, batch=4)
    return plan, before, network.state_dict()


@pytest.mark.parametrize("strategy", strategies.STRATEGIES)
def test_plans_are_sound(strategy):
    network = build()
    names = {name for name, _ in network.named_parameters()}
    plan = strategies.plan(strategy, network)
    assert sum(phase.share for phase in plan.phases) == pytest.approx(1)
    encoder, top = (set(part) for part in strategies.split_parameters(network))
    assert encoder | top == names and not encoder & top
    for phase in plan.phases:
        # a dict holds each name once: every parameter trains at one rate or is frozen
        assert set(phase.rates) <= names and all(rate > 0 for rate in phase.rates.values())
        assert top <= set(phase.rates)
        assert phase.fixed_norms == (not encoder & set(phase.rates)), "BatchNorm is fixed exactly while frozen"
    assert plan.loads != (strategy in ("scratch", "frozen-random"))


@pytest.mark.parametrize("strategy", ["frozen", "frozen-random"])
def test_what_is_frozen_stays_bit_equal(strategy, cases):
    _, before, after = run(strategy, cases)
    for name, value in before.items():
        if name.startswith("encoder."):
            assert torch.equal(value, after[name]), name
    assert any(not torch.equal(value, after[name]) for name, value in before.items() if name.startswith("decoder."))


@pytest.mark.parametrize("strategy", ["scratch", "fine-tune", "lp-ft"])
def test_what_trains_changes(strategy, cases):
    plan, before, after = run(strategy, cases)
    for name in plan.phases[-1].rates:
        assert not torch.equal(before[name], after[name]), name


def test_linear_probe_leaves_the_encoder_until_the_second_phase(cases):
    network = build()
    plan = strategies.plan("lp-ft", network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = plan.phases[0]._replace(share=1.0)
    training.train(network, cases, [first], "segmentation", {"tumour": 1.0}, steps=3, batch=4)
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("encoder."))
    assert max(plan.phases[1].rates.values()) < max(first.rates.values())


def test_random_encoder_gets_the_statistics_of_the_patients(cases):
    network = build()
    training.estimate_norms(network, cases, count=3, batch=6)
    network.eval()
    images = torch.from_numpy(cases[0]["images"]).float()
    with torch.no_grad():
        outputs = network.encoder._bn0(network.encoder._conv_stem(images))
    assert abs(float(outputs.mean())) < 0.3 and 0.5 < float(outputs.std()) < 2
    assert all(
        m.momentum == pytest.approx(0.1) for m in network.encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)
    )


def test_statistics_are_estimated_without_labels(cases):
    blind = [{**case, "labels": np.zeros_like(case["labels"])} for case in cases]
    seeing, unseeing = build(), build()
    training.estimate_norms(seeing, cases, count=2, batch=4)
    training.estimate_norms(unseeing, blind, count=2, batch=4)
    assert torch.equal(seeing.encoder._bn0.running_var, unseeing.encoder._bn0.running_var)


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="unknown strategy 'magic'; known are scratch"):
        strategies.plan("magic", build())
