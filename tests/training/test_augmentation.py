"""Augmentation: what moves, what changes, what must not, and whose lesion ends up where."""

import numpy as np
import pytest
import torch

from neurograft.training import augmentation


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def rectangles(count=16, x=48, y=64):
    image = torch.zeros(count, 1, x, y)
    image[:, :, 10:30, 20:50] = 1
    return image


def heads(count=24, channels=2, regions=2):
    """Slices with a brain of 1, and in every second one a lesion, 4 and 6 times as bright, left of the middle."""
    images, masks = torch.zeros(count, channels, 64, 64), torch.zeros(count, regions, 64, 64)
    images[:, :, 8:56, 8:56] = 1
    images[::2, :, 12:24, 20:40], images[::2, :, 15:20, 25:35] = 4, 6
    masks[::2, 0, 12:24, 20:40], masks[::2, 1, 15:20, 25:35] = 1, 1
    return images, masks


def test_image_and_mask_move_together():
    moved, masks = augmentation.augment(rectangles(), rectangles(), draw())
    inside = moved.abs() > 0.2  # without the change of intensities, which spares the background
    overlap = 2 * (inside & (masks > 0)).sum() / (inside.sum() + (masks > 0).sum())
    assert overlap > 0.93
    areas = masks.sum((1, 2, 3)) / 600
    assert areas.std() > 0.01 and float(areas.min()) > 0.6 and float(areas.max()) < 1.5
    assert torch.all(moved[:, :, 0, 0] == 0)


def test_turns_keep_distances_on_slices_that_are_not_square(monkeypatch):
    monkeypatch.setattr(augmentation, "BENT", 0)
    image = torch.zeros(64, 1, 96, 64)
    image[:, :, 38:58, 22:42] = 1
    _, masks = augmentation.augment(image, image.clone(), draw(1))
    spread = [np.linalg.eigvalsh(np.cov(np.argwhere(mask[0].numpy() > 0).T)) for mask in masks]
    assert max(values[1] / values[0] for values in spread) < 1.15


def test_the_background_stays_zero_whatever_is_done_to_the_brain(monkeypatch):
    monkeypatch.setattr(augmentation, "DEGRADATIONS", [(1, *rest) for _, *rest in augmentation.DEGRADATIONS])
    images, masks = heads()
    moved, _ = augmentation.augment(images, masks, draw(), lesions=True)
    assert torch.isfinite(moved).all() and (moved[:, :, :2] == 0).float().mean() > 0.9
    assert (moved[:, :, 30:34, 30:34] != 0).all()


def test_a_missing_channel_stays_zero():
    images, masks = heads()
    images[3:7, 1] = 0
    moved, _ = augmentation.augment(images, masks, draw(), lesions=True)
    assert not moved[3:7, 1].any() and moved[3:7, 0].any()


def test_without_masks_nothing_is_bent_or_degraded():
    """What is rebuilt or classified gets geometry and the scale of intensities alone."""
    images, _ = heads(8)
    images[:] = 1
    moved, none = augmentation.augment(images, None, draw())
    assert none is None
    for image in moved.flatten(0, 1):
        values = image[image != 0]
        assert values.numel() and float(values[len(values) // 4 :].std()) < 0.5
    assert torch.equal(moved, augmentation.augment(images, None, draw(), lesions=True)[0])


def test_a_lesion_is_pasted_with_its_label_and_a_soft_rim(monkeypatch):
    monkeypatch.setattr(augmentation, "MIXED", 1)
    images, masks = heads()
    images[1::2] *= 2
    before = images.clone(), masks.clone()
    mixed, labels = augmentation.mix_lesions(images, masks, draw())
    healthy = list(range(1, 24, 2))
    got = [slot for slot in healthy if labels[slot].any()]
    assert len(got) >= 3
    for slot in got:
        # all regions, in the place of the giver or mirrored
        own = labels[slot]
        assert any(torch.equal(own, other) for other in (masks[0], masks[0].flip(1)))
        core = own[1] > 0
        assert torch.allclose(mixed[slot, 0][core], torch.tensor(6.0))
        rim = (mixed[slot, 0] > 1) & (mixed[slot, 0] < 2) & (own[0] == 0)
        assert rim.any()
    # nothing was changed in place, and whoever got nothing is as before
    assert torch.equal(images, before[0]) and torch.equal(masks, before[1])
    for slot in set(healthy) - set(got):
        assert torch.equal(mixed[slot], images[slot])


def test_lesions_stay_within_both_brains(monkeypatch):
    monkeypatch.setattr(augmentation, "MIXED", 1)
    images, masks = heads()
    images[1::2, :, :, :30] = 0
    mixed, labels = augmentation.mix_lesions(images, masks, draw())
    assert not mixed[1::2, :, :, :30].any() and not labels[1::2, :, :, :30].any()


def test_a_channel_that_a_patient_lacks_is_not_filled_by_another(monkeypatch):
    monkeypatch.setattr(augmentation, "MIXED", 1)
    images, masks = heads()
    images[1::2, 1] = 0
    mixed, labels = augmentation.mix_lesions(images, masks, draw())
    assert labels[1::2].any() and not mixed[1::2, 1].any()


@pytest.mark.parametrize("lesions", [True, False])
def test_only_lesions_are_mixed(lesions, monkeypatch):
    monkeypatch.setattr(augmentation, "MIXED", 1)
    images, masks = heads()
    _, labels = augmentation.augment(images, masks, draw(), lesions=lesions)
    assert bool(labels[1::2].any()) == lesions


def test_the_same_seed_gives_the_same_batch():
    images, masks = heads()
    first, second, other = (augmentation.augment(images, masks, draw(seed), lesions=True)[0] for seed in (3, 3, 4))
    assert torch.equal(first, second) and not torch.equal(first, other)


def test_each_way_of_degrading_does_what_it_says():
    image = torch.randn(64, 64, generator=draw())
    brain = torch.ones(64, 64, dtype=torch.bool)
    assert augmentation._blur(image, 1.5, brain, draw())[8:-8, 8:-8].std() < 0.5 * image.std()
    assert augmentation._coarsen(image, 0.4, brain, draw()).std() < 0.8 * image.std()
    curved = augmentation._curve(image, 0.4, brain, draw())
    assert torch.isclose(curved.min(), image.min(), atol=1e-4) and torch.isclose(curved.max(), image.max(), atol=1e-4)
    assert torch.equal(curved.flatten().argsort()[:50], image.flatten().argsort()[:50])
    assert curved.mean() < image.mean() < augmentation._curve(image, -0.4, brain, draw()).mean()
