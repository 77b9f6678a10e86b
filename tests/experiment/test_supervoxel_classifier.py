"""Classifiers of supervoxels, on patients made of numbers."""

import numpy as np
import pytest

from neurograft.experiment import supervoxel_classifier

SPACING = (1.0, 1.0, 1.0)


def patient(seed, names=("z_flair", "z_t1c"), pooled=False, count=600):
    """Supervoxels of which a tenth are tumour: bright on FLAIR; the core of it, half, on T1c too."""
    generator = np.random.default_rng(seed)
    tumour = np.arange(count) < count // 10
    core = np.arange(count) < count // 20
    table = {"z_flair": 4 * tumour + generator.normal(size=count), "z_t1c": 4 * core + generator.normal(size=count)}
    features = np.stack([table[name] for name in names], axis=1).astype(np.float32)
    deep = np.concatenate([core[:, None] * 8.0, generator.normal(size=(count, 30))], axis=1).astype(np.float16)
    truth = np.stack([tumour, core], axis=1).astype(np.float32)
    made = {"names": list(names), "described": features, "pooled": deep if pooled else None}
    return made | {"truth": truth, "volume": np.full(count, 100.0)}


def dice(chances, truth):
    predicted = chances > 0.5
    return 2 * (predicted & (truth > 0.5)).sum() / (predicted.sum() + (truth > 0.5).sum())


def test_what_training_patients_show_is_found_in_another():
    model = supervoxel_classifier.fit_classifiers([patient(k) for k in range(4)], 2)
    other = patient(9)
    chances = supervoxel_classifier.predict_chances(model, other)
    assert dice(chances[:, 0], other["truth"][:, 0]) > 0.85
    assert dice(chances[:, 1], other["truth"][:, 1]) > 0.75


def test_a_patient_without_a_sequence_is_taken_for_what_it_has():
    model = supervoxel_classifier.fit_classifiers([patient(k) for k in range(4)], 2)
    other = patient(9, names=("z_t1c",))
    chances = supervoxel_classifier.predict_chances(model, other)
    # without FLAIR the rim is gone, the core is still seen; no number stands in for what is missing
    assert np.isnan(supervoxel_classifier.tabulate(model, other)[:, 0]).all()
    assert dice(chances[:, 1], other["truth"][:, 1]) > 0.75


def test_pooled_features_are_used():
    """The core is in the encoder's features alone."""
    train = [patient(k, names=("z_flair",), pooled=True) for k in range(4)]
    other = patient(9, names=("z_flair",), pooled=True)
    with_them = supervoxel_classifier.predict_chances(supervoxel_classifier.fit_classifiers(train, 2), other)
    without = [one | {"pooled": None} for one in train]
    alone = supervoxel_classifier.predict_chances(
        supervoxel_classifier.fit_classifiers(without, 2), other | {"pooled": None}
    )
    assert dice(with_them[:, 1], other["truth"][:, 1]) > 0.9 > dice(alone[:, 1], other["truth"][:, 1])


def test_the_same_seed_gives_the_same_bytes():
    train = [patient(k, pooled=True) for k in range(3)]
    first, second = (
        supervoxel_classifier.predict_chances(
            supervoxel_classifier.fit_classifiers(train, 2, seed=1), train[0]
        ).tobytes()
        for _ in range(2)
    )
    assert first == second


def test_the_reduction_knows_training_patients_only():
    train = [patient(k, pooled=True) for k in range(3)]
    before = supervoxel_classifier.fit_classifiers(train, 2)
    probe = patient(7, pooled=True)
    strange = probe | {"pooled": 100 * probe["pooled"]}
    supervoxel_classifier.predict_chances(before, strange)
    after = supervoxel_classifier.fit_classifiers(train, 2)
    np.testing.assert_array_equal(
        supervoxel_classifier.tabulate(before, probe), supervoxel_classifier.tabulate(after, probe)
    )


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_region_that_is_everywhere_or_nowhere_is_predicted_so(share):
    train = [patient(k) for k in range(2)]
    for one in train:
        one["truth"][:, 1] = share
    chances = supervoxel_classifier.predict_chances(supervoxel_classifier.fit_classifiers(train, 2), patient(5))
    assert (chances[:, 1] == share).all()


def test_drawn_supervoxels_weigh_as_much_as_all():
    tumour = np.r_[np.full(50, 0.7), np.zeros(9000)]
    chosen, weights = supervoxel_classifier.draw_supervoxels(tumour, np.random.default_rng(0))
    assert set(range(50)) <= set(chosen) and len(chosen) == 50 + supervoxel_classifier.REST
    assert weights.sum() == pytest.approx(len(tumour))


def sphere_and_blocks():
    """A bright sphere, cut into blocks of 5 voxels that follow it only roughly; the share of it in each."""
    grid = np.indices((40, 40, 40))
    sphere = ((grid - 20) ** 2).sum(0) < 12**2
    block = (grid[0] // 5) * 64 + (grid[1] // 5) * 8 + grid[2] // 5 + 1
    share = np.bincount(block.ravel(), sphere.ravel())[1:] / 125
    bright = sphere * 3 + np.random.default_rng(0).normal(scale=0.5, size=sphere.shape)
    return sphere, block, share, bright[None]


def overlap(first, second):
    return 2 * (first & second).sum() / (first.sum() + second.sum())


def test_the_border_follows_the_intensities():
    sphere, block, share, stack = sphere_and_blocks()
    coarse = (share > 0.5)[block - 1]
    refined = supervoxel_classifier.refine_border(share, block, stack, SPACING)
    assert overlap(coarse, sphere) < 0.93 < 0.97 < overlap(refined > 0.5, sphere)


def test_a_border_without_contrast_stays_where_it_was():
    _sphere, block, share, stack = sphere_and_blocks()
    flat = np.random.default_rng(1).normal(size=stack.shape)
    refined = supervoxel_classifier.refine_border(share, block, flat, SPACING) > 0.5
    assert overlap(refined, (share > 0.5)[block - 1]) > 0.9


def test_nothing_is_predicted_outside_of_the_brain_or_without_tumour():
    _, block, share, stack = sphere_and_blocks()
    block[:10] = 0
    refined = supervoxel_classifier.refine_border(share, block, stack, SPACING)
    assert refined[:10].max() == 0
    none = supervoxel_classifier.refine_border(0.4 * (share > 2), block, stack, SPACING)
    assert none.max() == 0
