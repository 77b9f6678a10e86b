"""How often is the verdict wrong, over sizes and kinds of studies? Beside it the tests that gave verdicts before 0.2.

PYTHONPATH=scripts python benchmarks/verdict_error_rates.py [--studies 2000] [--out results.tsv]

Every setting is simulated with its own seed. The tables in docs/explanation/verdict.md are the summary that this
prints; `--out` keeps every setting.
"""

import argparse
import itertools
import sys

import numpy as np

from neurograft.core import tables
from neurograft.stats import error_rates, paired_model, paired_verdict
from neurograft.stats.clustered_error import t_share
from neurograft.stats.multiplicity import ALPHA, holm

PATIENTS = (6, 10, 20, 60, 150)
FOLDS = (2, 3, 5)
STUDIES = ((1, 1), (1, 6), (3, 1))  # seeds and family
LUCKS = (0.0, 0.25, 0.5)
EFFECTS = (2.5, 4.0)  # standard errors of the mean
MARGIN = 3.0  # standard errors, so that "no practical difference" can be shown at all
SIGNS = 1000
BINS = (0.0, 0.2, 0.4, 0.6, 0.8)  # of the probability to be better


def previous_p(values, folds):
    """Compute the p of before: the largest of the sign-flip test's and of t tests over patients and over folds."""
    count, groups = values.shape[-1], int(folds.max()) + 1
    mean, centred = values.mean(-1), values - values.mean(-1, keepdims=True)
    own = np.sqrt((centred**2).sum(-1) / (count - 1) / count)
    sums = np.stack([centred[..., folds == fold].sum(-1) for fold in range(groups)], -1)
    shared = np.sqrt((sums**2).sum(-1) * groups / (groups - 1)) / count
    p = np.maximum(2 * t_share(count - 1, -abs(mean) / own), 2 * t_share(groups - 1, -abs(mean) / shared))
    observed = abs(values.sum(-1, keepdims=True)) - 1e-9
    if 2.0**count <= 16 * SIGNS:
        signs = np.array(list(itertools.product((-1, 1), repeat=count - 1)))
        signs = np.column_stack([np.ones(len(signs)), signs])
        flipped = (abs(values @ signs.T) >= observed).mean(-1)
    else:
        signs = np.random.default_rng(0).integers(0, 2, (SIGNS, count)) * 2.0 - 1
        flipped = (1 + (abs(values @ signs.T) >= observed).sum(-1)) / (1 + SIGNS)
    return np.maximum(p, flipped)


def rate(study, shape, luck, generator, studies):
    """Count false verdicts, coverage and power of one setting, by the model and by the tests of before."""
    pairs = error_rates.simulate_studies(generator, study, shape, luck, studies)
    means, folds = pairs.values.mean(-1), pairs.sets[:, 0]
    seeds, patients = study["seeds"], study["patients"]
    variance = 1 + error_rates.SEED_NOISE**2 / seeds
    shared = luck**2 * (1 - error_rates.SEED_SHARE + error_rates.SEED_SHARE / seeds)
    error = np.sqrt(variance / patients + shared / study["folds"])
    posterior = paired_model.fit(pairs)

    def judge(shift, margin):
        chances = paired_verdict.list_chances(
            paired_model.shift(posterior, shift), paired_verdict.Scale(margin * error)
        )
        equal, different, _ = paired_verdict.decide(
            chances["p"], chances["p_beyond"] if margin else chances["p"] * 0 + 1
        )
        return equal, different

    def before(shift):
        return (
            (holm(previous_p(means + shift, folds)) <= ALPHA) if study["folds"] > 2 else np.zeros(means.shape[:2], bool)
        )

    below = posterior.below(0.0)
    row = {**study, "shape": shape, "luck": luck, "studies": studies}
    row["false"] = judge(0, 0)[1].any(-1).mean()
    row["false_before"] = before(0).any(-1).mean()
    row["coverage"] = np.mean((below >= 0.025) & (below <= 0.975))
    row["false_equal"] = judge(error_rates.TRUE_MARGINS * MARGIN * error, MARGIN)[0].any(-1).mean()
    for effect in EFFECTS:
        # the first comparison of the family differs, the others do not
        shift = np.zeros(means.shape[1])
        shift[0] = effect * error
        moved = paired_model.shift(posterior, shift[:, None])
        p = paired_verdict.list_chances(moved, paired_verdict.Scale())["p"]
        row[f"power_{effect}"] = (holm(p) <= ALPHA)[:, 0].mean()
        row[f"power_before_{effect}"] = before(shift[:, None])[:, 0].mean()
    row["equal_at_0"] = judge(0, MARGIN)[0][:, 0].mean()
    # true means spread evenly: is "better with probability q" right in q of the cases?
    true = generator.uniform(-5, 5, below.shape) * error
    moved = paired_model.shift(posterior, true[..., None]).below(0.0)
    chance = 1 - moved
    for low in BINS:
        part = (chance >= low) & (chance <= low + 0.2)
        row[f"calibration_{low}"] = float(np.mean(true[part] > 0)) - float(np.mean(chance[part])) if part.any() else 0.0
    return row


def over_prior(study, generator, studies):
    """Compute the coverage of 95 % intervals where each study's luck is drawn from the model's own prior."""
    luck = paired_model.LUCK * np.abs(generator.standard_normal(studies)) ** paired_model.SHAPE
    covered = []
    # studies of about equal luck are drawn together
    for part in np.array_split(np.sort(luck), 100):
        pairs = error_rates.simulate_studies(generator, study, "normal", float(part.mean()), len(part))
        below = paired_model.fit(pairs).below(0.0)
        covered.append(np.mean((below >= 0.025) & (below <= 0.975)))
    return float(np.mean(covered))


def rate_again(row, generator, parts=10):
    """Count the false verdicts of a setting anew: the largest of hundreds of counts is too large by selection."""
    study = {name: int(row[name]) for name in ("patients", "folds", "seeds", "family")}
    false = []
    for _ in range(parts):
        pairs = error_rates.simulate_studies(generator, study, row["shape"], row["luck"], 1000)
        below = paired_model.fit(pairs).below(0.0)
        false.append(paired_verdict.decide(2 * np.minimum(below, 1 - below), np.ones_like(below))[1].any(-1).mean())
    return float(np.mean(false))


def describe(rows):
    """Print what docs/explanation/verdict.md holds."""

    def part(**fixed):
        return [row for row in rows if all(row[name] in values for name, values in fixed.items())]

    def mean(rows, name):
        return 100 * float(np.mean([row[name] for row in rows]))

    many = part(folds=(3, 5))
    print(f"{len(rows)} settings, {rows[0]['studies']} studies each; with 3 or more folds:")
    for name, words, worst in (
        ("false", "false helps or hurts", max),
        ("false_before", "the same by the tests of before", max),
        ("false_equal", "false no practical difference", max),
        ("coverage", "coverage of 95 % intervals", min),
    ):
        row = worst(many, key=lambda row: row[name])
        setting = {key: row[key] for key in ("patients", "folds", "seeds", "family", "shape", "luck")}
        print(f"{words}: mean {mean(many, name):.1f} %, worst {100 * row[name]:.1f} % at {setting}")
    for low in BINS:
        print(f"P(better) from {low:g} to {low + 0.2:g} is off by {mean(rows, f'calibration_{low}'):+.1f} points")
    for effect in EFFECTS:
        new, old = f"power_{effect}", f"power_before_{effect}"
        lower = [row for row in many if row[new] < 0.9 * row[old] - 0.01]
        print(f"power at {effect} standard errors: {mean(many, new):.0f} %, before {mean(many, old):.0f} %")
        print(f"  below nine tenths of before in {len(lower)} of {len(many)} settings:")
        print(
            "  ", sorted({(row["patients"], row["folds"], row["seeds"], row["family"], row["luck"]) for row in lower})
        )
    print("\n| folds | patients | luck | false | before | coverage | power at 4 errors | before |")
    print("|---|---|---|---|---|---|---|---|")
    for folds, patients, luck in itertools.product(FOLDS, PATIENTS, LUCKS):
        some = part(folds=(folds,), patients=(patients,), luck=(luck,))
        if some:
            cells = (
                mean(some, name) for name in ("false", "false_before", "coverage", "power_4.0", "power_before_4.0")
            )
            print(f"| {folds} | {patients} | {luck:g} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")


def main():
    """Simulate every setting, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--out")
    options = parser.parse_args()
    rows = []
    grid = list(itertools.product(PATIENTS, FOLDS, STUDIES, error_rates.SHAPES, LUCKS))
    for number, (patients, folds, (seeds, family), shape, luck) in enumerate(grid):
        study = {"patients": patients, "folds": folds, "seeds": seeds, "family": family}
        rows.append(rate(study, shape, luck, np.random.default_rng([1, number]), options.studies))
        print(f"{number + 1} of {len(grid)}", end="\r", file=sys.stderr)
    if options.out:
        tables.write_table(options.out, rows)
    describe(rows)
    print("\nthe settings with most false verdicts, in 10,000 other studies:")
    many = [row for row in rows if row["folds"] > 2]
    for number, row in enumerate(sorted(many, key=lambda row: -row["false"])[:10]):
        share = rate_again(row, np.random.default_rng([3, number]))
        setting = [row[key] for key in ("patients", "folds", "seeds", "family", "shape", "luck")]
        print(f"  {setting}: {100 * row['false']:.1f} %, again {100 * share:.1f} %")
    print("\ncoverage over the prior of the luck:")
    for patients, folds in itertools.product(PATIENTS, FOLDS):
        study = {"patients": patients, "folds": folds, "seeds": 1, "family": 1}
        share = over_prior(study, np.random.default_rng([2, patients, folds]), 5000)
        print(f"  {patients} patients, {folds} folds: {100 * share:.1f} %")


if __name__ == "__main__":
    main()
