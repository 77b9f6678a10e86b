"""The verdict at the fewest own labels, labels saved, and what anatomy adds."""

import numpy as np
import pytest

from neurograft.eeg import findings
from neurograft.eeg.transfer import SOURCE, SPLIT, TASK

# mean balanced accuracy of each strategy at 3 and 10 own labels, and of frozen in each space
MEANS = {"scratch": (0.65, 0.80), "frozen": (0.75, 0.75), "fine-tune": (0.78, 0.82), "frozen-random": (0.5, 0.5)}
SPACES = {"sensors": 0.0, "template": 0.0, "cortex": 0.05, "cortex-wrong-head": -0.02}


@pytest.fixture(scope="module")
def found():
    generator, rows = np.random.default_rng(0), []
    for person in range(16):
        level = generator.normal(0, 0.05)
        for space, gain in SPACES.items():
            for strategy, means in MEANS.items():
                for n, mean in zip((3, 10), means, strict=True):
                    shift = 0 if strategy in ("scratch", "frozen-random") else gain
                    value = np.clip(mean + shift + level + generator.normal(0, 0.02), 0, 1)
                    arm = {"task": TASK, "source": SOURCE, "strategy": strategy, "space": space, "split": SPLIT, "n": n}
                    cell = arm | {"fold": person, "seed": 0, "subject": f"p{person}", "region": ""}
                    rows += [cell | {"metric": metric, "value": value} for metric in ("balanced-accuracy", "auc")]
    return findings.assess(rows, {"balanced-accuracy": 0.02}, list(SPACES))


def test_the_verdict_is_at_the_fewest_own_labels_in_the_first_space(found):
    judged = [row for row in found.comparison if row["verdict"]]
    assert {(row["strategy"], row["verdict"]) for row in judged} == {("frozen", "helps"), ("fine-tune", "helps")}
    assert {(row["n"], row["space"], row["against"]) for row in judged} == {("3", "sensors", "scratch")}


def test_labels_saved_count_what_uses_no_own_labels_as_none(found):
    frozen, three, *_ = (row for row in found.labels_saved if row["space"] == "sensors")
    assert frozen["strategy"] == "frozen" and frozen["n"] == "0" and 5 < frozen["saved"] < 8
    assert three["strategy"] == "fine-tune" and three["saved"] == pytest.approx(three["needed"] - 3)


def test_anatomy_is_told_apart_from_donors(found):
    rows = {(row["strategy"], row["space"], row["against"]): row for row in found.anatomy if row["verdict"]}
    assert rows["frozen", "cortex", "sensors"]["verdict"] == "helps"
    assert rows["frozen", "cortex", "sensors"]["mean_difference"] == pytest.approx(0.05, abs=0.02)
    assert rows["frozen", "template", "sensors"]["verdict"] != "helps"
    assert rows["frozen", "cortex", "cortex-wrong-head"]["verdict"] == "helps"
    assert not {"scratch", "frozen-random"} & {row["strategy"] for row in found.anatomy}


def test_means_have_an_interval_around_them(found):
    assert all(row["low"] < row["mean"] < row["high"] and row["patients"] == 16 for row in found.means)
