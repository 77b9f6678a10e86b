"""Training: it learns, the same to the bit, from what it should; drawing and augmentation."""

import numpy as np
import pytest
import torch

from helpers import gpu
from helpers.fake_cases import CASES, SHARES, make_case
from helpers.fake_volumes import make_volume
from neurograft.networks import builders, compute
from neurograft.training import batch_norm, checkpoints, inference, loop, slices, strategy_plans


def trained(strategy="scratch", seed=0, steps=6, threads=1, dropout=False):
    """A network trained on the two cases."""
    with compute.reproducible(seed):
        network = builders.build_segmenter("efficientnet-lite0", 2, 1)
    phases = strategy_plans.plan(strategy, network).phases
    options = loop.TrainingOptions(steps, 4, seed, threads, dropout)
    course = loop.train(network, CASES, phases, "segmentation", SHARES, options)
    return network, course.history, course.seconds


def test_it_learns_and_generalises_to_a_new_patient():
    network, history, seconds = trained(steps=40)
    assert np.mean([row["loss"] for row in history[-5:]]) < 0.5 * history[0]["loss"]
    assert history[-1]["train_dice"] > 0.7
    assert [row["step"] for row in history] == list(range(1, 41)) and np.all(np.diff(seconds) > 0)
    case = make_case(5)
    found = inference.predict_volume(network, case["images"][:, case["channels"]])[0] > 0.5
    truth = case["labels"].transpose(1, 2, 0) == 1
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.7


def test_with_channels_dropped_it_learns_to_do_without_any_of_them():
    network, _, _ = trained(steps=40, dropout=True)
    case = make_case(5)
    truth = case["labels"].transpose(1, 2, 0) == 1
    # without dropping, the same training ends at .40 and .00 with one channel
    for channels in ([1, 2], [1, None], [None, 2]):
        found = inference.predict_volume(network, slices.take_channels(case["images"], channels, axis=1))[0] > 0.5
        assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.7, channels


def test_same_seed_same_weights_whatever_the_process_did_before():
    first, history, _ = trained("lp-ft", seed=3)
    torch.rand(17)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    second, again, _ = trained("lp-ft", seed=3)
    torch.set_num_threads(before)
    assert history == again
    assert all(torch.equal(a, b) for a, b in zip(first.state_dict().values(), second.state_dict().values()))
    other, _, _ = trained("lp-ft", seed=4)
    assert not torch.equal(first.state_dict()["encoder._bn0.weight"], other.state_dict()["encoder._bn0.weight"])


def test_thread_count_and_flags_are_restored():
    before = torch.get_num_threads()
    with compute.reproducible(0, threads=before + 1):
        assert torch.get_num_threads() == before + 1 and torch.are_deterministic_algorithms_enabled()
    assert torch.get_num_threads() == before and not torch.are_deterministic_algorithms_enabled()


def with_budgets(budgets=(), least=0, held_back=(), steps=10, strategy="scratch"):
    """A network trained with a stable rate."""
    with compute.reproducible(2):
        network = builders.build_segmenter("efficientnet-lite0", 2, 1)
    phases = strategy_plans.plan(strategy, network).phases
    options = loop.TrainingOptions(steps, 2, seed=2, budgets=budgets, least=least)
    course = loop.train(network, CASES, phases, "segmentation", SHARES, options, loop.Hooks(held_back=held_back))
    return checkpoints.hash_weights(network), course


def test_a_budget_is_cooled_without_a_trace_in_the_training():
    whole, course = with_budgets((0.4, 0.5))
    # the smallest budget sets the warm-up, so it stays
    other, without = with_budgets((0.4,))
    assert whole == other and course.history == without.history
    assert {share: kept["steps"] for share, kept in course.cooled.items()} == {0.4: 4, 0.5: 5}
    first, second = course.cooled[0.4]["state"], course.cooled[0.5]["state"]
    assert torch.equal(first["encoder._bn0.weight"], without.cooled[0.4]["state"]["encoder._bn0.weight"])
    assert not torch.equal(first["encoder._bn0.weight"], second["encoder._bn0.weight"])
    assert course.cooled[0.4]["seconds"] > 0
    assert [row["rate"] for row in course.history[3:8]] == [course.history[3]["rate"]] * 5
    assert course.history[-1]["rate"] < course.history[-2]["rate"] < course.history[3]["rate"]


def test_a_training_of_open_length_ends_where_the_held_back_loss_settles():
    # the loss of another patient with labels at random does not fall
    odd = {**make_case(3), "labels": np.random.default_rng(0).permuted(make_case(3)["labels"], axis=1)}
    _, course = with_budgets(least=8, held_back=[odd], steps=60)
    losses = [row["held_back"] for row in course.history]
    assert len(course.history) < 60 and np.isfinite(losses[:8]).all() and np.isnan(losses[-1])
    with pytest.raises(ValueError, match="held-back"):
        with_budgets(least=8)


def test_converged_is_a_loss_that_has_stopped_falling():
    random = np.random.default_rng(0)
    noise = random.normal(0, 0.05, 300)
    assert loop.is_converged(0.2 + np.exp(-np.arange(300) / 30) + noise)
    assert not loop.is_converged(np.linspace(1, 0.2, 300) + noise)
    assert not loop.is_converged([0.1] * 9)


def test_loss_of_perfect_and_of_opposite_predictions():
    truth = (torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(0)) > 0.7).float()
    assert float(loop.dice_and_cross_entropy(40 * (2 * truth - 1), truth)) < 0.01
    assert float(loop.dice_and_cross_entropy(40 * (1 - 2 * truth), truth)) > 10
    assert float(loop.dice_and_cross_entropy(torch.full_like(truth, -40), truth * 0)) < 0.01


def test_a_volume_has_the_loss_and_measures_of_its_voxels():
    random = torch.Generator().manual_seed(0)
    logits, truth = torch.randn(2, 3, 8, 6, 4, generator=random), torch.rand(2, 3, 8, 6, 4, generator=random).round()
    flat = [each.reshape(2, 3, 8, 24) for each in (logits, truth)]
    for measure in (loop.dice_and_cross_entropy, loop.batch_dice):
        assert float(measure(logits, truth)) == pytest.approx(float(measure(*flat)), rel=1e-5)


def test_only_norms_that_keep_statistics_have_them_estimated():
    volume = make_volume(0)
    for backbone, changes in (("deepbet", False), ("medicalnet-resnet10", True)):
        with compute.reproducible(0):
            network = builders.build_segmenter(backbone, 3, 1)
        before = {name: value.clone() for name, value in network.state_dict().items()}
        batch_norm.estimate_statistics(network, [volume], loop.TrainingOptions(batch=1), count=1)
        changed = {
            name.rpartition(".")[2] for name, value in network.state_dict().items() if (value != before[name]).any()
        }
        assert changed == ({"running_mean", "running_var", "num_batches_tracked"} if changes else set())


def test_measures_of_fit():
    logits, truth = torch.tensor([[[[1.0, -1.0]]]]), torch.tensor([[[[1.0, 1.0]]]])
    assert float(loop.batch_dice(logits, truth)) == pytest.approx(2 / 3, abs=1e-5)
    assert float(loop.batch_dice(-truth, truth * 0)) == 1
    assert float(loop.batch_accuracy(torch.tensor([[1.0, 0.0], [1.0, 0.0]]), torch.tensor([0, 1]))) == 0.5


def test_what_is_added_to_the_loss_sees_training_and_target_features_apart():
    calls, targets = [], [case | {"strata": {"any": np.arange(8)}} for case in (make_case(7, (8, 64, 32)),)]

    def extra(source, target, progress):
        calls.append((tuple(source.shape), tuple(target.shape), progress))
        return 0 * (source.sum() + target.sum()) + 5

    with compute.reproducible(0):
        network = builders.build_segmenter("efficientnet-lite0", 2, 1)
    phases = strategy_plans.plan("fine-tune", network).phases
    options, hooks = loop.TrainingOptions(steps=4, batch=4), loop.Hooks(extra=extra, targets=targets)
    history = loop.train(network, CASES, phases, "segmentation", SHARES, options, hooks).history
    # one canvas for both, of the larger case
    assert [call[:2] for call in calls] == [((4, 320, 2, 1),) * 2] * 4
    assert [call[2] for call in calls] == [0, 0.25, 0.5, 0.75]
    assert all(row["added"] == 5 and row["loss"] < 5 for row in history)
    assert not network.encoder._forward_hooks


def test_a_batch_norm_follows_its_own_weight():
    with compute.reproducible(0):
        network = builders.build_segmenter("efficientnet-lite0", 2, 1)
    trained = "encoder._bn0.weight"
    before = {name: value.clone() for name, value in network.state_dict().items()}
    phases, options = [strategy_plans.Phase(1.0, {trained: 1e-3})], loop.TrainingOptions(steps=2, batch=4)
    loop.train(network, CASES, phases, "segmentation", SHARES, options)
    changed = {name for name, value in network.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {trained, *(f"encoder._bn0.{name}" for name in ("running_mean", "running_var"))} | {
        "encoder._bn0.num_batches_tracked"
    }


def small(steps=5, fails=None, **length):
    """A small network trained, the images of its steps and the weights before each; one step's gradient is infinite."""
    with compute.reproducible(3):
        network = gpu.Small()
    images, before = [], []

    def look(module, given):
        images.append(given[0].detach().clone())
        before.append(checkpoints.hash_weights(module.head))

    def spoil(gradient):
        return gradient * (torch.inf if len(images) == fails else 1)

    network.register_forward_pre_hook(look)
    network.head.weight.register_hook(spoil)
    phases = strategy_plans.plan("scratch", network).phases
    options = loop.TrainingOptions(steps, 4, 3, **length)
    course = loop.train(network, CASES, phases, "segmentation", SHARES, options)
    return [row["loss"] for row in course.history], images, [*before, checkpoints.hash_weights(network.head)]


def test_batches_drawn_ahead_by_a_thread_give_the_same_bytes(monkeypatch):
    odd = make_case(3)
    alone = with_budgets((0.4, 0.5), least=8, held_back=[odd], steps=12, strategy="lp-ft")
    gpu.take(monkeypatch, low=compute.choose_plan().low, ahead=2)
    ahead = with_budgets((0.4, 0.5), least=8, held_back=[odd], steps=12, strategy="lp-ft")
    assert ahead[0] == alone[0] and str(ahead[1].history) == str(alone[1].history)
    for share, kept in alone[1].cooled.items():
        same = ahead[1].cooled[share]["state"]
        assert all(torch.equal(value, same[name]) for name, value in kept["state"].items())


@pytest.mark.parametrize("lower", [gpu.BRAIN_FLOAT, gpu.HALF], ids=["bfloat16", "float16"])
def test_lower_precision_learns_what_float32_learns(lower, monkeypatch):
    gpu.take(monkeypatch)
    wanted, images, _ = small(steps=12)
    gpu.take(monkeypatch, **lower)
    losses, same, _ = small(steps=12)
    assert all(torch.equal(one, other) for one, other in zip(images, same, strict=True))
    # bfloat16 has 8 bits, float16 11; the loss falls by 0.5
    np.testing.assert_allclose(losses, wanted, atol=0.02 if lower is gpu.BRAIN_FLOAT else 0.005)
    assert losses != wanted


def test_a_gradient_that_is_not_finite_skips_its_step_and_nothing_else(monkeypatch):
    gpu.take(monkeypatch, **gpu.HALF)
    _, images, usual = small()
    losses, same, weights = small(fails=3)
    assert all(torch.equal(one, other) for one, other in zip(images, same, strict=True))
    assert weights[:3] == usual[:3] and np.isfinite(losses).all()
    # the third step changed nothing, those after it did
    assert weights[3] == weights[2] and len(set(weights)) == len(usual) - 1 == 5


def test_a_budgets_cool_down_leaves_the_scale_of_losses_as_it_was(monkeypatch):
    """Float16 would be scaled otherwise after a cool-down whose gradient is not finite."""
    gpu.take(monkeypatch, **gpu.HALF)
    scales = []
    usual = compute.make_scaler
    monkeypatch.setattr(compute, "make_scaler", lambda: scales.append(usual()) or scales[-1])
    _, _, whole = small(steps=10, budgets=(0.5,))
    _, _, spoilt = small(steps=10, budgets=(0.5,), fails=5)
    assert scales[0].get_scale() == scales[1].get_scale()
    assert whole[-1] == spoilt[-1]
