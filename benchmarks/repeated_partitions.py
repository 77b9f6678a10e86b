"""Measure what repeated partitions buy, against as many trainings spent on seeds or on folds.

PYTHONPATH=scripts python benchmarks/repeated_partitions.py [--studies 2000] [--out results.tsv]

Prints the table of docs/explanation/verdict.md, and the coverage over kinds of studies; `--out` keeps every setting.
"""

import argparse
import itertools

import numpy as np

from neurograft.core import tables
from neurograft.stats import error_rates, paired_model
from neurograft.stats.multiplicity import ALPHA

PATIENTS = (10, 20, 40)
LUCKS = (0.0, 0.25, 0.5)
EFFECT = 3.0  # true difference, in spreads over patients divided by the root of their number
# trainings of an arm: folds, repeats, seeds
SPENT = {
    3: ((3, 1, 1),),
    6: ((3, 2, 1), (3, 1, 2), (6, 1, 1)),
    9: ((3, 3, 1), (3, 1, 3), (9, 1, 1)),
}
# of the second table: patients, folds, repeats, seeds
KINDS = tuple(itertools.product((6, 10, 20, 60), (2, 3, 5), (2, 3), (1, 2)))


def rate(study, shape, luck, generator, studies):
    """Compute coverage, false verdicts, width and power of one setting."""
    posterior = paired_model.fit(error_rates.simulate_studies(generator, study, shape, luck, studies))
    below = posterior.below(0.0)
    moved = paired_model.shift(posterior, EFFECT / np.sqrt(study["patients"])).below(0.0)
    weights, centres = posterior.weights, posterior.centres
    inner = posterior.scales**2 * posterior.freedom / max(posterior.freedom - 2, 0.5)
    spread = np.sqrt((weights * (inner + centres**2)).sum(-1) - (weights * centres).sum(-1) ** 2)
    return {
        **study, "shape": shape, "luck": luck, "studies": studies,
        "coverage": float(np.mean((below >= 0.025) & (below <= 0.975))),
        "false": float(np.mean(2 * np.minimum(below, 1 - below) <= ALPHA)),
        "spread": float(np.median(spread)),
        "power": float(np.mean(2 * moved <= ALPHA)),
    }  # fmt: skip


def over_prior(study, generator, studies):
    """Compute the coverage where each study's luck is drawn from the model's own prior."""
    luck = paired_model.LUCK * np.abs(generator.standard_normal(50)) ** paired_model.SHAPE
    rows = [rate(study, "normal", float(one), generator, studies // 50) for one in luck]
    return float(np.mean([row["coverage"] for row in rows]))


def main():
    """Simulate every setting, and print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--out")
    options = parser.parse_args()
    rows = []
    print("| luck | patients | trainings | repeats: power, interval | seeds | folds |")
    print("|---|---|---|---|---|---|")
    for number, (luck, patients) in enumerate(itertools.product(LUCKS, PATIENTS)):
        once = None
        for trainings, ways in SPENT.items():
            cells = []
            for folds, repeats, seeds in ways:
                study = {"patients": patients, "folds": folds, "seeds": seeds, "family": 1, "repeats": repeats}
                row = rate(study, "normal", luck, np.random.default_rng([1, number]), options.studies)
                once = once or row["spread"]
                rows.append(row)
                cells.append(f"{100 * row['power']:.0f} %, {row['spread'] / once:.2f}")
            cells += ["", ""][: 3 - len(cells)]
            print(f"| {luck:g} | {patients} | {trainings} | " + " | ".join(cells) + " |")
    kinds, coverages = [], []
    for number, (patients, folds, repeats, seeds) in enumerate(KINDS):
        study = {"patients": patients, "folds": folds, "seeds": seeds, "family": 1, "repeats": repeats}
        for shape, luck in itertools.product(error_rates.SHAPES, LUCKS):
            kinds.append(rate(study, shape, luck, np.random.default_rng([2, number]), options.studies))
        coverages.append(100 * over_prior(study, np.random.default_rng([3, number]), options.studies))
    print(f"coverage over the prior of the luck: {min(coverages):.1f} to {max(coverages):.1f} % by size")
    for least in (2, 3):
        part = [row for row in kinds if row["folds"] >= least]
        print(f"{least} or more folds: {len(part)} kinds of studies with 2 or 3 repeats")
        for name, worst in (("coverage", min), ("false", max)):
            row = worst(part, key=lambda row: row[name])
            values = [row[name] for row in part]
            print(f"  {name}: mean {100 * np.mean(values):.1f} %, worst {100 * row[name]:.1f} % at {row}")
    if options.out:
        tables.write_table(options.out, rows + kinds)


if __name__ == "__main__":
    main()
