"""Measure how often the intervals of pooled verdicts hold the truth, on simulated cohorts whose truth is known.

    python benchmarks/pooled_coverage.py --studies 2000 --seed 0

Each study pools k cohorts whose true effects lie `tau` apart around 0.03. A cohort has 8 to 60 patients with a spread
of 0.12 (`equal`), 8 patients (`small`), or 8 or 60 patients with a spread of 0.06 or 0.2 (`mixed`), and tells its
effect with a standard error estimated from its own patients. A row a setting: the coverage of the mean by
`random_effects` and by Hartung, Knapp, Sidik and Jonkman (never narrower than the normal interval); the coverage of a
further cohort's true effect by `random_effects` and by t intervals with k - 2 (Higgins 2009) and k - 1 degrees of
freedom; half widths of some of them, medians.
"""

import argparse

from helpers.fake_cards import COHORTS, measure_coverage, measure_widths

WIDTHS = 200  # studies whose intervals are measured


def main():
    """Print the table, and the least and the mean coverage over it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rows = [
        {"cohorts": kind, "k": k, "tau": tau}
        | measure_coverage(kind, k, tau, options.studies, options.seed)
        | measure_widths(kind, k, tau, min(options.studies, WIDTHS), options.seed)
        for kind in COHORTS
        for k in (2, 3, 5, 10)
        for tau in (0.0, 0.02, 0.05)
    ]
    names = list(rows[0])
    print(" ".join(f"{name:>9}" for name in names))
    for row in rows:
        print(" ".join(f"{value:9.3f}" if isinstance(value, float) else f"{value:>9}" for value in row.values()))
    for words, choose in (("least", min), ("mean", lambda values: sum(values) / len(values))):
        covered = names[3:8]
        print(f"{words:>9}" + " " * 20 + " ".join(f"{choose([row[name] for row in rows]):9.3f}" for name in covered))


if __name__ == "__main__":
    main()
