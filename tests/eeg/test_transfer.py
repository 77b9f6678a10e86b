"""Trials of others brought into a person's sensors: what anatomy can add, on people of known truth, without mne."""

from dataclasses import replace

import numpy as np
import pytest

from neurograft.eeg import simulated_people, transfer
from neurograft.eeg.decoding import bin_trials
from neurograft.eeg.simulated_people import Population
from neurograft.eeg.transfer import PeopleError, Person, split_people
from neurograft.eeg.trials import Trials, split_trials

VERTICES, CHANNELS = 150, 30
POPULATION = Population(trials=26, signal=40.0, folding=70.0)


def see(cap, cortex, normals):
    """See dipoles from outside in a medium without borders: enough for a truth that is known."""
    away = cap[:, None] - cortex[None]
    return 0.26 * np.einsum("cva,va->cv", away, normals) / np.linalg.norm(away, axis=2) ** 3


@pytest.fixture(scope="module")
def crowd():
    """Eight people with a folding of their own; gains of the true one, of the template and of nobody's."""
    generator = np.random.default_rng(0)
    directions = generator.normal(0, 1, (VERTICES + CHANNELS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    cortex, normals = 0.065 * directions[:VERTICES], directions[:VERTICES]
    cap = 0.095 * (directions[VERTICES:] * [1, 1, 0] + np.abs(directions[VERTICES:]) * [0, 0, 1])
    sources = simulated_people.choose_sources(cortex, POPULATION, np.random.default_rng(3))
    found = {}
    for number in range(8):
        own = np.random.default_rng([5, number])
        folded = simulated_people.turn_normals(cortex, normals, POPULATION.folding, own)
        true = see(cap, cortex, folded)
        data, labels = simulated_people.simulate_trials(true, cortex, sources, POPULATION, own)
        data -= data.mean(axis=1, keepdims=True)
        classes = np.array([simulated_people.CLASSES.index(label) for label in labels])
        gains = {"cortex": true, "template": see(cap, cortex, normals)}
        split = split_trials(labels, simulated_people.CLASSES, (3,))
        found[str(number)] = Person(bin_trials(data, 100.0, 0.1), classes, split, gains)
    return found


def decode(crowd, spaces, strategies=("frozen",)):
    """Decode everyone; return mean balanced accuracy by space and strategy."""
    rows = [row for name in crowd for row in transfer.decode_person(crowd, name, spaces, strategies)[0]]
    return {
        (space, strategy): np.mean([
            row["value"] for row in rows
            if (row["space"], row["strategy"], row["metric"]) == (space, strategy, "balanced-accuracy")
        ])
        for space in spaces for strategy in strategies
    }  # fmt: skip


def test_a_known_folding_helps_the_template_does_not_and_a_wrong_head_is_worse(crowd):
    scores = decode(crowd, ("sensors", "template", "cortex", "cortex-wrong-head"))
    assert scores["cortex", "frozen"] > scores["sensors", "frozen"] + 0.03
    assert abs(scores["template", "frozen"] - scores["sensors", "frozen"]) < 0.05
    assert scores["cortex-wrong-head", "frozen"] < scores["cortex", "frozen"] - 0.03


def test_equal_heads_gain_nothing(crowd):
    same = {name: replace(one, gains={"cortex": one.gains["template"]}) for name, one in crowd.items()}
    scores = decode(same, ("sensors", "cortex"))
    assert abs(scores["cortex", "frozen"] - scores["sensors", "frozen"]) < 0.03


def test_rows_are_those_of_every_score_table(crowd):
    scores, chosen = transfer.decode_person(crowd, "0", ("sensors",), ("scratch", "frozen"))
    assert {tuple(row) for row in scores} == {transfer.SCORES} and {tuple(row) for row in chosen} == {transfer.CHOSEN}
    assert {row["metric"] for row in scores} == {"balanced-accuracy", "accuracy", "auc"}


def make_trials(count=20, channels=("A", "B", "C", "D", "E"), labels=("x", "y"), seed=0):
    generator = np.random.default_rng(seed)
    data = generator.normal(0, 1, (count, len(channels), 4))
    return Trials(data, labels * (count // 2), np.arange(count), channels, np.zeros((len(channels), 3)), 10.0)


def test_who_lacks_trials_or_channels_is_left_out_with_the_reason():
    read = {str(number): (make_trials(seed=number), {}) for number in range(4)}
    read |= {
        "few": (make_trials(8), {}),
        "bald": (make_trials(channels=("A", "B")), {}),
        "broken": (None, {"fault": "it cannot be read"}),
        "one": (make_trials(channels=("A", "B", "C", "D"), seed=4), {}),
    }
    split = split_people(read, (), (3,))
    assert list(split["people"]) == ["0", "1", "2", "3", "one"] and split["channels"] == ["A", "B", "C", "D"]
    assert split["left_out"]["broken"] == "it cannot be read" and "too few trials" in split["left_out"]["few"]
    assert split["left_out"]["bald"] == "2 usable channels, where others have 5"
    assert transfer.decode("few", split, {}, {}, 0) == ([], [])


def test_two_people_or_one_class_are_a_mistake_of_the_whole():
    with pytest.raises(PeopleError, match=r"1 people are left, and it takes 3 \(b: gone\)"):
        split_people({"a": (make_trials(), {}), "b": (None, {"fault": "gone"})}, (), (3,))
    with pytest.raises(PeopleError, match="the trials have one class, x"):
        split_people({"a": (make_trials(labels=("x", "x")), {})}, (), (3,))


def test_one_person_under_two_names_stops_the_run():
    read = {str(number): (make_trials(seed=number), {}) for number in range(4)}
    again = read["1"][0]
    mixed = replace(make_trials(seed=9), data=np.concatenate([make_trials(seed=9).data[:-1], again.data[3:4]]))
    with pytest.raises(PeopleError, match="1 and again share a trial.*dataset.exclude"):
        split_people(read | {"again": (mixed, {})}, (), (3,))


def test_what_is_tested_changes_neither_own_labels_nor_donors(crowd):
    person = crowd["0"]
    start, bins, classes = person.before, person.bins.copy(), person.classes.copy()
    bins[start:] *= 3
    classes[start:] = 1 - classes[start:]
    one, other = (transfer.make_samples(b, c, start) for b, c in ((person.bins, person.classes), (bins, classes)))
    np.testing.assert_array_equal(one.features[:start], other.features[:start])
    changed = crowd | {"0": replace(person, bins=bins, classes=classes)}
    for before, after in zip(*(transfer.bring_donors(some, "0", "cortex") for some in (crowd, changed)), strict=True):
        np.testing.assert_array_equal(before.features, after.features)
        np.testing.assert_array_equal(before.classes, after.classes)


def test_nobody_is_a_donor_to_himself(crowd):
    assert len(transfer.bring_donors(crowd, "0", "sensors")) == len(crowd) - 1
