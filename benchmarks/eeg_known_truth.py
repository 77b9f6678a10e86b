"""Measure on simulated people what each way through the cortex adds to decoding with others' trials alone.

    PYTHONPATH=scripts python benchmarks/eeg_known_truth.py --people 16 --seeds 0 1 2

It needs mne. Heads are computed once and kept beside `--gains`; about 7 processor seconds a person, then 3 a seed.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from neurograft.eeg import decoding, heads, recordings, simulated_people, transfer
from neurograft.eeg.simulated_people import CHANNELS, CLASSES, Population
from neurograft.eeg.trials import split_trials
from neurograft.stats.paired_verdict import paired_comparison

SPACES = ("sensors", "template", "t1", "known 30", "known 20", "truth", "wrong")


def make_heads(count, population):
    """Compute the free gains of some people's true heads and caps, and of the template's."""
    template, cap = heads.read_template(), recordings.name_cap()
    positions = np.array([cap[name] for name in CHANNELS])
    made = {"template": heads.orient(heads.compute_free_gain(template, positions), template.normals)}
    made["cortex"] = template.cortex
    for number in range(count):
        generator = np.random.default_rng([7, number])
        head = simulated_people.simulate_head(template, replace(population, folding=0.0), generator)
        cap_there = simulated_people.turn_cap(positions, population, generator)
        made[f"free {number}"] = heads.compute_free_gain(head, cap_there)
        made[f"cortex {number}"], made[f"normals {number}"] = head.cortex, head.normals
    return made


def make_person(made, number, seed, population):
    """Simulate one person's trials, and every gain that a model might have of the head."""
    generator = np.random.default_rng([seed, number])
    free, cortex = made[f"free {number}"], made[f"cortex {number}"]
    plain = made[f"normals {number}"]
    true = simulated_people.turn_normals(cortex, plain, population.folding, generator)
    sources = simulated_people.choose_sources(made["cortex"], population, np.random.default_rng(seed))
    data, labels = simulated_people.simulate_trials(
        heads.orient(free, true), made["cortex"], sources, population, generator
    )
    data -= data.mean(axis=1, keepdims=True)
    data -= data.mean(axis=-1, keepdims=True)
    normals = {"t1": plain, "truth": true}
    normals |= {f"known {d}": simulated_people.turn_normals(cortex, true, d, generator) for d in (30, 20)}
    gains = {name: heads.orient(free, one) for name, one in normals.items()} | {"template": made["template"]}
    bins = decoding.bin_trials(data, simulated_people.RATE, 0.1)
    classes = np.array([CLASSES.index(label) for label in labels])
    return transfer.Person(bins, classes, split_trials(labels, CLASSES, (3,)), gains)


def score_space(crowd, space):
    """Decode everyone with others' trials alone; return balanced accuracies."""
    names, gain = list(crowd), "truth" if space == "wrong" else space
    # the decoder knows a template, a cortex and a wrong head
    known = {
        name: replace(one, gains={"template": one.gains["template"], "cortex": one.gains.get(gain)})
        for name, one in crowd.items()
    }
    asked = {"sensors": "sensors", "template": "template", "wrong": transfer.WRONG}.get(space, "cortex")
    return np.array([
        next(row["value"] for row in transfer.decode_person(known, name, [asked], ["frozen"])[0])
        for name in names
    ])  # fmt: skip


def main():
    """Simulate, decode and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=16)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--gains", type=Path, default=Path("eeg_known_truth.npz"))
    options, population = parser.parse_args(), Population()
    if not options.gains.exists():
        np.savez(options.gains, **make_heads(options.people, population))
    made = dict(np.load(options.gains))
    for seed in options.seeds:
        crowd = {str(number): make_person(made, number, seed, population) for number in range(options.people)}
        scores = {space: score_space(crowd, space) for space in SPACES}
        for space, values in scores.items():
            row = paired_comparison(values - scores["sensors"])
            less = f"{100 * row['mean']:+.1f} ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
            print(f"seed {seed}  {space:9}  {100 * values.mean():.1f}  less sensors {less}", flush=True)


if __name__ == "__main__":
    main()
