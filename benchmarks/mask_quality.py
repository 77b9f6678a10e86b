"""Judge what a finished run's masks say of themselves: coverage, rank correlation, risk; for any of its arms.

PYTHONPATH=scripts python benchmarks/mask_quality.py RUN [--strategy lp-ft] [--peers scratch frozen] [--level 0.9]

RUN is the folder with `results/`. Prints a table; the same as the rules measure_masks and judge_masks write for the
delivered arm.
"""

import argparse
from pathlib import Path

from neurograft.core import files, listings, tables
from neurograft.delivery import chances, mask_features, mask_quality

SHOWN = ("region", "patients", "told", "coverage", "coverage_low", "coverage_high", "width", "error", "error_of_mean")
SHOWN = (*SHOWN, "rank", "rank_low", "rank_high", "risk", "risk_random", "risk_best", "usable", "usable_below")


def measure_run(run, options):
    """Measure the masks of one arm of a run, as `measure_masks` does; rows as text."""
    results = Path(run) / "results"
    split = files.read_json(results / "splits.json")
    found = results.glob(f"predictions/segmentation/{options.source}/*/space-*_split-folds_n-{options.n}_fold-*_seed-0")
    cells = sorted(str(path) for path in found)
    space = min(Path(path).name.split("_")[0] for path in cells)
    cells = [path for path in cells if Path(path).name.startswith(space)]
    own, peers = (
        [path for path in cells if Path(path).parts[-2] in names] for names in ([options.strategy], options.peers)
    )
    listed = listings.read_subjects(results / f"work/{space}/subjects.tsv")
    places = {subject: str(Path(run) / row["slices"]) for subject, row in listed.items()}
    peers = [path for path in peers if path not in own]
    measured, counted = mask_features.measure_masks(own, peers, split, places)
    return split, _as_text(measured), _as_text(counted)


def _as_text(rows):
    texts = ({name: str(value) for name, value in row.items()} for row in rows)
    return [row | ({"labelled": row["labelled"].lower()} if "labelled" in row else {}) for row in texts]


def _print(rows, columns):
    """Print rows as a Markdown table."""
    print(f"| {' | '.join(columns)} |")
    print("|---" * len(columns) + "|")
    for row in rows:
        print(f"| {' | '.join(str(row[name]) for name in columns)} |")


def main():
    """Measure, judge, and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("--strategy", default="lp-ft")
    parser.add_argument("--source", default="efficientnet-lite0")
    parser.add_argument("--n", default="all")
    parser.add_argument("--peers", nargs="*", default=["scratch", "frozen"])
    parser.add_argument("--level", type=float, default=0.9)
    options = parser.parse_args()
    split, measured, counted = measure_run(options.run, options)
    scores = tables.read_table(Path(options.run) / "results/evaluation/scores.tsv")
    _, _, summary = mask_quality.judge_masks(measured, scores, split, mask_quality.QualityOptions(options.level))
    calibration, missed = chances.judge_chances(counted, split)
    _print(summary, SHOWN)
    _print(calibration, chances.CALIBRATION)
    _print(missed, chances.MISSED)


if __name__ == "__main__":
    main()
