"""Compare, at its end, a training with a stable rate, which can be cut at budgets, with one cycle of equal length.

    PYTHONPATH=scripts python benchmarks/stable_rate.py FOLDER [--jobs 2] [--data ../shared/data]

What is run, written down before the first training: the two pools of 60 patients of `aa_studies.py` (the same FOLDER
serves both), `STRATEGIES` from EfficientNet-Lite0, 3 folds, `SEEDS` seeds, `STEPS` steps of 16 slices; each training
once with one cycle, and once with the stable rate and budgets of a quarter and a half. Both have the same first
weights, slices and order. The patients' Dice is judged as a strategy is judged against scratch, with a margin of 0.02:
one cycle is in scratch's place. Four comparisons, each looked at once.
"""

import argparse
import contextlib
import io
import multiprocessing
import os
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
import aa_studies

from neurograft.core import files
from neurograft.evaluation import comparison, scores
from neurograft.training import slices

STRATEGIES = ("scratch", "fine-tune")
SEEDS = (0, 1)
STEPS = 200
SCHEDULES = {"one cycle": [], "stable": [0.25, 0.5]}


def score(job):
    """Train and score one cell; return its rows of Dice at the end, with one cycle in scratch's place.

    Parameters
    ----------
    job : tuple
        Folder, pool, strategy, schedule, seed and fold.

    Returns
    -------
    list of dict
    """
    folder, name, strategy, schedule, seed, fold = job
    kept = folder / "schedules" / f"{name}_{strategy}_{schedule.replace(' ', '-')}_{seed}_{fold}.json"
    if kept.exists():
        return files.read_json(kept)
    pool = aa_studies.open_pool(folder / name)
    dealt = aa_studies.split(pool.run, pool.rows, pool.quality, 0)
    options = {"steps": STEPS, "budgets": SCHEDULES[schedule]}
    with (
        contextlib.chdir(folder / name),
        contextlib.redirect_stderr(io.StringIO()),
        tempfile.TemporaryDirectory() as cells,
    ):
        place = Path(cells) / "cell"
        aa_studies.train(pool, dealt, {"strategy": strategy, "fold": fold, "seed": seed}, place, **options)
        rows = scores.score_cell(place, dealt, slices.find_records(pool.listing))
    judged = "scratch" if schedule == "one cycle" else comparison.AGAIN
    rows = [row | {"strategy": judged} for row in rows if row["metric"] == "dice" and row["budget"] == 1]
    files.write_json(kept, rows)
    return rows


def judge(folder, name, rows):
    """Judge the stable rate against one cycle; return the row of the comparison."""
    pool = aa_studies.open_pool(folder / name)
    dealt = aa_studies.split(pool.run, pool.rows, pool.quality, 0)
    judging = comparison.Judging(margins=pool.run.config["margin"])
    compared = comparison.compare_strategies(
        rows, dealt["tasks"]["segmentation"]["patients"], pool.run.design.primary, judging=judging
    )
    (row,) = [row for row in compared if row["strategy"] == comparison.AGAIN and row["verdict"]]
    return row


def main():
    """Run what is missing, and print the table of docs/results.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=aa_studies.ROOT / "../shared/data")
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    folder = options.folder.resolve()
    (folder / "schedules").mkdir(parents=True, exist_ok=True)
    for name in aa_studies.POOLS:
        aa_studies.prepare(name, folder, options.data, options.jobs)
    arms = [(name, strategy) for name in aa_studies.POOLS for strategy in STRATEGIES]
    jobs = [
        (folder, *arm, schedule, seed, fold)
        for arm in arms
        for seed in SEEDS
        for fold in range(aa_studies.FOLDS)
        for schedule in SCHEDULES
    ]
    with ProcessPoolExecutor(options.jobs, multiprocessing.get_context("spawn")) as executor:
        scored = dict(zip(jobs, executor.map(score, jobs), strict=True))
    print("| cohort | strategy | one cycle | stable rate | difference | 95 % interval | verdict |\n" + "|---" * 7 + "|")
    for name, strategy in arms:
        rows = [row for job in jobs if job[1:3] == (name, strategy) for row in scored[job]]
        row = judge(folder, name, rows)
        means = [
            sum(values) / len(values)
            for mark in ("scratch", comparison.AGAIN)
            if (values := [r["value"] for r in rows if r["strategy"] == mark and r["region"] == row["region"]])
        ]
        print(
            f"| {name} | {strategy} | {means[0]:.3f} | {means[1]:.3f} | {row['mean_difference']:+.3f} "
            f"| {row['low']:+.3f} to {row['high']:+.3f} | {row['verdict']} |"
        )


if __name__ == "__main__":
    main()
