"""What each strategy trains, and what it must leave alone."""

import itertools

import numpy as np
import pytest
import torch

from helpers.fake_training import build
from neurograft.cohort import assignment
from neurograft.networks import stages
from neurograft.training import batch_norm, loop, strategy_plans

SHARES = {"tumour": 0.5, "rest": 0.5}


def prepared(strategy, variants=None):
    """A network and its plan, ready to be trained."""
    network = build()
    plan = strategy_plans.plan(strategy, network, variants)
    if plan.prepare:
        plan.prepare(network)
    return network, plan


def run(strategy, cases, steps=8, variants=None):
    """Train a few steps as a cell does; give the plan and all tensors before and after."""
    network = build()
    plan = strategy_plans.plan(strategy, network, variants)
    if plan.estimate_norms:
        batch_norm.estimate_statistics(network, cases, loop.TrainingOptions(batch=4), count=2)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    if plan.prepare:
        plan.prepare(network)
    extra = plan.extra(network, set(strategy_plans.split_parameters(network)[0])) if plan.extra else None
    targets = [{**case, "strata": {"any": np.arange(6)}} for case in cases]
    options = loop.TrainingOptions(steps, 4, weight_decay=plan.weight_decay)
    hooks = loop.Hooks(extra=extra, targets=targets if extra else ())
    loop.train(network, cases, plan.phases, "segmentation", SHARES, options, hooks)
    if plan.finish:
        plan.finish(network)
    return plan, before, network.state_dict()


@pytest.mark.parametrize("strategy", strategy_plans.PLANS)
def test_plans_are_sound(strategy):
    network, plan = prepared(strategy)
    assert sum(phase.share for phase in plan.phases) == pytest.approx(1)
    names = {name for name, _ in network.named_parameters()}
    encoder, top = (set(part) for part in strategy_plans.split_parameters(network))
    assert encoder | top == names and not encoder & top
    for phase in plan.phases:
        # a dict holds each name once: every parameter trains at one rate or is frozen
        assert set(phase.rates) <= names and all(rate > 0 for rate in phase.rates.values())
        assert top <= set(phase.rates)
    assert plan.loads != (strategy in ("scratch", "frozen-random"))


@pytest.mark.parametrize("strategy", strategy_plans.PLANS)
def test_a_finished_network_is_an_ordinary_one(strategy, square_cases):
    _, before, after = run(strategy, square_cases, steps=2)
    assert set(before) == set(after)
    build().load_state_dict(after)


@pytest.mark.parametrize("strategy", ["frozen", "frozen-random"])
def test_what_is_frozen_stays_bit_equal(strategy, square_cases):
    _, before, after = run(strategy, square_cases)
    for name, value in before.items():
        if name.startswith("encoder."):
            assert torch.equal(value, after[name]), name
    assert any(not torch.equal(value, after[name]) for name, value in before.items() if name.startswith("decoder."))


@pytest.mark.parametrize(
    "strategy", ["scratch", "fine-tune", "lp-ft", "discriminative", "l2-sp", "gradual", "adabn", "coral", "dann"]
)
def test_what_trains_changes(strategy, square_cases):
    _, before, after = run(strategy, square_cases, steps=12)
    for name, _ in build().named_parameters():
        assert not torch.equal(before[name], after[name]), name


@pytest.mark.parametrize(("strategy", "k"), [("last-layers", 1), ("last-layers-2", 2)])
def test_last_layers_leave_the_stages_before_them_alone(strategy, k, square_cases):
    _, before, after = run(strategy, square_cases, variants={"last-layers-2": {"method": "last-layers", "k": 2}})
    trained = {name for stage in stages.split_stages(build())[-k:] for name in stage}
    modules = {name.rpartition(".")[0] for name in trained}
    for name, value in before.items():
        if name in trained:
            assert not torch.equal(value, after[name]), name
        elif name.startswith("encoder.") and name.rpartition(".")[0] not in modules:
            # BatchNorm statistics of frozen stages included
            assert torch.equal(value, after[name]), name


def test_last_layers_that_do_not_exist_are_refused():
    for k in (0, 6):
        with pytest.raises(ValueError, match=f"k is {k}, the encoder has 5 stages"):
            strategy_plans.plan("x", build(), {"x": {"method": "last-layers", "k": k}})


def test_linear_probe_leaves_the_encoder_until_the_second_phase(square_cases):
    network = build()
    plan = strategy_plans.plan("lp-ft", network)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    first = plan.phases[0]._replace(share=1.0)
    loop.train(network, square_cases, [first], "segmentation", {"tumour": 1.0}, loop.TrainingOptions(3, 4))
    after = network.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items() if name.startswith("encoder."))
    assert max(plan.phases[1].rates.values()) < max(first.rates.values())


def test_gradual_opens_one_stage_at_a_time_from_the_deepest():
    network = build()
    opened = [
        {n for n in phase.rates if n.startswith("encoder.")} for phase in strategy_plans.plan("gradual", network).phases
    ]
    assert not opened[0] and opened[-1] == set(strategy_plans.split_parameters(network)[0])
    added = [after - before for before, after in itertools.pairwise(opened)]
    assert all(before < after for before, after in itertools.pairwise(opened))
    assert added == [set(stage) for stage in reversed(stages.split_stages(network))]


def test_discriminative_rates_fall_by_a_constant_factor_toward_the_image():
    network = build()
    (phase,) = strategy_plans.plan("d", network, {"d": {"method": "discriminative", "xi": 0.5, "top": 1e-3}}).phases
    levels = [{phase.rates[name] for name in stage} for stage in stages.split_stages(network)]
    assert all(len(level) == 1 for level in levels)
    np.testing.assert_allclose([level.pop() for level in levels], [1e-3 / 2**n for n in (5, 4, 3, 2, 1)])
    assert {phase.rates[name] for name in strategy_plans.split_parameters(network)[1]} == {1e-3}


def test_pull_to_source_is_zero_at_the_start_and_the_papers_formula_later():
    network = build()
    inherited = strategy_plans.split_parameters(network)[0][:5]
    penalty = strategy_plans.pull_to_source(network, inherited, alpha=0.1, beta=0.0)
    assert penalty(None, None, 0.0).item() == 0
    both = strategy_plans.pull_to_source(network, inherited, alpha=0.1, beta=0.01)
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for name in inherited:
            parameters[name] += 0.5
    moved = sum(parameters[name].numel() for name in inherited) * 0.25
    new = sum((v.double() ** 2).sum().item() for n, v in parameters.items() if n not in inherited and v.ndim > 1)
    assert penalty(None, None, 0.0).item() == pytest.approx(0.05 * moved, rel=1e-4)
    assert both(None, None, 0.0).item() == pytest.approx(0.05 * moved + 0.005 * new, rel=1e-4)


def test_l2_sp_stays_nearer_to_the_source_than_fine_tuning_and_decays_nothing(square_cases):
    def distance(strategy, variants=None):
        plan, before, after = run(strategy, square_cases, steps=12, variants=variants)
        parts = strategy_plans.split_parameters(build())[0]
        return plan, sum(float(((after[name] - before[name]) ** 2).sum()) for name in parts)

    plan, pulled = distance("strong", {"strong": {"method": "l2-sp", "alpha": 10.0}})
    assert plan.weight_decay == 0 and pulled < 0.8 * distance("fine-tune")[1]


def test_lora_changes_kernels_by_its_rank_and_nothing_else_of_the_encoder(square_cases):
    plan, before, after = run("lora", square_cases)
    kernels = {name.split(".parametrizations")[0] + ".weight" for name in plan.phases[0].rates if "parametr" in name}
    assert len(kernels) > 40
    for name, value in before.items():
        if name in kernels:
            change = (after[name] - value).double().flatten(1)
            # a change may be smaller than the rounding that a rank is told from
            assert change.any() and torch.linalg.matrix_rank(change, atol=1e-5) <= 4, name
        elif name.startswith("encoder."):
            assert torch.equal(value, after[name]), name


def test_adabn_refuses_an_encoder_without_batch_norm():
    network = build()
    for module in list(network.encoder.modules()):
        for name, child in module.named_children():
            if isinstance(child, torch.nn.BatchNorm2d):
                setattr(module, name, torch.nn.InstanceNorm2d(child.num_features, affine=True))
    with pytest.raises(assignment.UntrainableError, match="this encoder has none"):
        strategy_plans.plan("adabn", network)


def test_a_variant_is_a_strategy_with_other_parameters():
    network = build()
    rows = {"slow": {"method": "fine-tune", "encoder": 1e-3}, "wrong": {"method": "fine-tune", "k": 3}}
    assert strategy_plans.resolve("slow", rows) == ("fine-tune", {"encoder": 1e-3})
    rates = strategy_plans.plan("slow", network, rows).phases[0].rates
    assert rates["encoder._conv_stem.weight"] == 1e-3 and rates["segmentation_head.0.bias"] == 3e-3
    with pytest.raises(ValueError, match="fine-tune has no parameter 'k'; it has encoder, top"):
        strategy_plans.plan("wrong", network, rows)
    with pytest.raises(ValueError, match="unknown strategy 'magic'"):
        strategy_plans.plan("odd", network, {"odd": {"method": "magic"}})


def test_an_unknown_strategy_is_named():
    with pytest.raises(ValueError, match="unknown strategy 'magic'; known are scratch"):
        strategy_plans.plan("magic", build())
