"""How often is the verdict wrong on real patients? Scratch against scratch (A/A): both arms are the same training.

    PYTHONPATH=scripts nice python benchmarks/aa_studies.py FOLDER [--series 1] [--jobs 2] [--data ../shared/data]
    PYTHONPATH=scripts python benchmarks/aa_studies.py FOLDER --summary

What is run, written down before the first study:

- Two pools of 60 patients, imported and prepared once by the real workflow (`snakemake preprocess`) from
  `config/examples/`: the first 60 volumes of `hippocampus` by name, as axial slices of 1 mm, and `lgg` with pictures
  reduced to 64 x 64. Both with EfficientNet-Lite0 from random weights, 3 folds, `STEPS` steps of 16 slices.
- A study draws n patients of a pool without replacement, deals them to folds (`splits.split_cohort`), and trains
  scratch twice in every fold (`train_cell`), with two seeds that no other study has: other weights at the start, other
  slices, other order. All test patients are scored on their own grid (`score_cell`), and the two arms judged by what
  judges `results/evaluation/aa.tsv` (`compare_cells`): one comparison, the config's margin.
- `STUDIES` studies of 10, 20 and 40 patients in each pool. All of them count, whatever they say.
- The true difference is 0, so every "helps" or "hurts" is false. "No practical difference" is true. Reported: their
  counts, with the Clopper-Pearson interval of false verdicts; how often the 95 % interval holds 0; its mean width.

Studies of one pool share patients, never a training: which arm comes out ahead is drawn anew in each.

There are two series of equal size, told apart by their numbers. After the first one the prior of the luck was widened
and fewer degrees of freedom were given (`stats/paired_model.py`), so its own rate is no longer evidence. The second
confirms: it was written down after that change, before its first study.

FOLDER keeps a file for each finished study, so that a stopped run goes on where it was, and `studies.tsv`. A study is
judged again from its scores at each call: the verdict is that of today's code.
"""

import argparse
import contextlib
import io
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path

# each process computes in one thread; set before anything that asks for it is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")
import numpy as np
import yaml
from scipy.stats import binomtest

from neurograft.cohort import splits
from neurograft.core import files, tables
from neurograft.evaluation import comparison, scores
from neurograft.evaluation.records import ScoreRow, read_history
from neurograft.experiment import network_cells, setup
from neurograft.sources.weights import SourceFiles
from neurograft.training import slices, tasks

ROOT = Path(__file__).resolve().parents[1]
POOLS = ("hippocampus", "lgg")
MOST_PATIENTS = 60
STUDIES = {10: 12, 20: 12, 40: 8}  # patients to the number of studies in each pool and series
SERIES = (1, 2)
FOLDS = 3
STEPS = 40
SPACING = 4.0  # of pictures, whose pixels count as 1 mm
STRATEGY = "scratch"
FALSE = ("helps", "hurts")
COLUMNS = (
    *("series", "pool", "patients", "studies", "false helps or hurts (95 % interval)", "no practical difference"),
    "undecided",
    *("0 in the interval", "its mean width", "mean difference, either way", "luck", "mean Dice"),
)


@dataclass(frozen=True)
class Study:
    """One A/A study: its pool, its number of patients, and its number among those."""

    pool: str
    n: int
    number: int

    @property
    def name(self):
        """Name of its file."""
        return f"{self.pool}_n-{self.n}_study-{self.number}.json"

    @property
    def seeds(self):
        """Seeds of the draw of patients, of the split, and of both arms; no other study has them."""
        key = [POOLS.index(self.pool), self.n, self.number]
        return [int(seed) for seed in np.random.SeedSequence(key).generate_state(4)]


@dataclass(frozen=True)
class Pool:
    """What all studies of a pool share."""

    run: setup.RunSetup
    rows: list
    quality: splits.QualityFindings
    listing: str
    usable: list


def list_studies(series):
    """List the studies of a series, so that a stop at any time leaves about as many of each kind."""
    return [
        Study(pool, n, number + (series - 1) * count)
        for number in range(max(STUDIES.values()))
        for n, count in STUDIES.items()
        for pool in POOLS
        if number < count
    ]


def make_config(pool, folder, data):
    """Make a pool's config: the example of its name, with the folds, steps and grid of these studies."""
    config = yaml.safe_load((ROOT / f"config/examples/{pool}.yaml").read_text(encoding="utf-8"))
    root = Path(data).resolve() / pool
    if pool == "hippocampus":
        root = link_volumes(root, folder / "volumes")
    else:
        config["dataset"]["pictures"]["patients"] = str(root / "data.csv")
        config["register_scans"]["spacing"] = SPACING
    config["dataset"]["root"] = str(root)
    config["split_cohort"]["folds"] = FOLDS
    config["train_network"] = {"steps": STEPS, "batch": 16}
    config["experiment"] = {"segmentation": {"strategies": [STRATEGY]}, "classification": {"strategies": []}}
    config["deliver"] = {"strategy": STRATEGY}
    return config


def link_volumes(root, place):
    """Make a set of the first volumes by name; return its folder."""
    for kind in ("images", "labels"):
        (place / kind).mkdir(parents=True, exist_ok=True)
        for path in sorted((root / kind).glob("*.nii.gz"))[:MOST_PATIENTS]:
            if not (place / kind / path.name).is_symlink():
                (place / kind / path.name).symlink_to(path)
    return place


def prepare(pool, folder, data, cores):
    """Import and prepare a pool by the real workflow, where this was not done yet."""
    folder = folder / pool
    folder.mkdir(parents=True, exist_ok=True)
    # JSON is YAML too
    files.write_json(folder / "config.yaml", make_config(pool, folder, data))
    if (folder / "results/quality.tsv").exists():
        return
    command = [sys.executable, "-m", "snakemake", "preprocess", "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--configfile", str(folder / "config.yaml"), "--cores", str(cores)]
    subprocess.run([*command, "--quiet", "all", "--show-failed-logs"], check=True, cwd=ROOT)


@lru_cache
def open_pool(folder):
    """Read a prepared pool, once a process."""
    config = json.loads((folder / "config.yaml").read_text(encoding="utf-8"))
    run = setup.prepare_run(config, ROOT, verified=False)
    rows = tables.read_table(folder / "results/cohort.tsv")
    quality = splits.QualityFindings.from_table(tables.read_table(folder / "results/quality.tsv"))
    task = split(run, rows, quality, 0)["tasks"]["segmentation"]
    usable = sorted({task["patients"][subject] for subject in task["subjects"]})
    return Pool(run, rows, quality, f"results/work/space-{run.design.space}/subjects.tsv", usable)


def split(run, rows, quality, seed):
    """Deal some subjects to folds, as the step `split_cohort` does."""
    target = run.config["experiment"]["classification"]["target"]
    return splits.split_cohort(rows, quality, seed=seed, target=target, **run.config["split_cohort"])


def run_study(study, folder):
    """Run one study and write its file.

    Parameters
    ----------
    study : Study
    folder : Path
        With the prepared pool, in a folder of its name.

    Returns
    -------
    dict
        As in the file: `pool`, `n`, `number`, `seeds`, `steps`, `seconds`, `train_dice` (mean of the last steps of all
        trainings), `place` (space and split), `margins`, `patients` (subject to patient) and `scores` (rows of Dice).
    """
    start, pool = time.perf_counter(), open_pool(folder / study.pool)
    run, (draw, deal, *arms) = pool.run, study.seeds
    chosen = set(np.random.default_rng(draw).choice(pool.usable, study.n, replace=False).tolist())
    rows = [row for row in pool.rows if splits.patient_of(row) in chosen]
    dealt = split(run, rows, pool.quality, deal)
    # the lists of a run name files by its working directory
    with (
        contextlib.chdir(folder / study.pool),
        contextlib.redirect_stderr(io.StringIO()),
        tempfile.TemporaryDirectory() as cells,
    ):
        scored, fit = [], []
        for seed in arms:
            for fold in range(FOLDS):
                place = Path(cells) / f"{seed}-{fold}"
                train(pool, dealt, {"fold": fold, "seed": seed}, place)
                scored += scores.score_cell(place, dealt, slices.find_records(pool.listing))
                fit.append(np.mean([row["train_dice"] for row in read_history(place)[-5:]]))
    task = dealt["tasks"]["segmentation"]
    result = asdict(study) | {"seeds": arms, "steps": run.config["train_network"]["steps"]}
    result |= {"seconds": time.perf_counter() - start, "train_dice": float(np.mean(fit))}
    result |= {"place": run.design.primary, "margins": run.config["margin"], "patients": task["patients"]}
    result["scores"] = [row for row in scored if row["metric"] == "dice"]
    files.write_json(folder / "studies" / study.name, result)
    return result


def train(pool, dealt, changes, place, **options):
    """Train one cell of a pool's experiment; the changes are of the cell, the options those of its training."""
    run = pool.run
    strategy = changes.get("strategy", STRATEGY)
    (arm,) = run.design.list_arms("segmentation", strategy=STRATEGY)
    source = run.describe_source(arm["source"], "backbone", "sha256")
    manifest = network_cells.train_cell(
        network_cells.CellOutput(place),
        dealt,
        arm | changes,
        SourceFiles(source, run.choice.weights[arm["source"]]),
        tasks.SubjectFiles(slices.find_slices(pool.listing)),
        network_cells.CellOptions(**run.list_training_options(strategy) | options),
    )
    if not manifest["trained"]:
        raise ValueError(f"{place.name} was not trained: {manifest['reason']}")


def judge(result):
    """Judge a finished study as a run judges scratch against itself; return a row of `studies.tsv`."""
    rows: list[ScoreRow] = result["scores"]
    judging = comparison.Judging(margins=result["margins"])
    (again,) = comparison.compare_again(rows, result["patients"], result["place"], judging)
    dice = [row["value"] for row in rows if row["region"] == again["region"]]
    names = ("pool", "n", "number", "steps", "seconds", "train_dice")
    shown = ("verdict", "region", "patients", "folds", "mean_difference", "low", "high", "p", "p_adjusted")
    shown += ("p_better", "p_better_margin", "p_equal", "p_worse_margin", "expected_loss", "patient_spread")
    row = {name: result[name] for name in names} | {"dice": float(np.mean(dice))}
    return row | {name: again[name] for name in (*shown, "luck_spread", "margin", "reason")}


def summarise(rows):
    """Summarise the studies of each series: of each size in each pool, of each pool, and all.

    Parameters
    ----------
    rows : list of dict
        From `judge`.

    Returns
    -------
    list of dict
        `series`, `pool`, `n`, `studies`; `false` (helps or hurts), with `low` and `high`, the exact 95 % interval of
        its share; `equal` (no practical difference), `undecided`, `covered` (0 lies in the interval of the study); and
        means: `width` (of that interval), `difference` (without its sign) and `dice`; `luck` is the median standard
        deviation of a training's luck, as estimated, in units of the spread over patients.
    """
    found = []
    rows = [row | {"series": row["number"] // STUDIES[row["n"]] + 1} for row in rows]
    for names in (("series", "pool", "n"), ("series", "pool"), ("series",)):
        for key in sorted({tuple(row[name] for name in names) for row in rows}):
            some = [row for row in rows if tuple(row[name] for name in names) == key]
            verdicts = [row["verdict"] for row in some]
            false = sum(verdict in FALSE for verdict in verdicts)
            interval = binomtest(false, len(some)).proportion_ci(method="exact")
            found.append(
                {"pool": "all", "n": "all", **dict(zip(names, key, strict=True))}
                | {"studies": len(some), "false": false, "low": interval.low, "high": interval.high}
                | {"equal": verdicts.count("no practical difference"), "undecided": verdicts.count("undecided")}
                | {"covered": sum(row["low"] <= 0 <= row["high"] for row in some)}
                | {"width": float(np.mean([row["high"] - row["low"] for row in some]))}
                | {"difference": float(np.mean([abs(row["mean_difference"]) for row in some]))}
                | {"luck": float(np.median([row["luck_spread"] / row["patient_spread"] for row in some]))}
                | {"dice": float(np.mean([row["dice"] for row in some]))}
            )
    return found


def describe(rows):
    """Print what docs/explanation/verdict.md holds, and every study with a false verdict."""
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    for row in summarise(rows):
        false = f"{row['false']} ({100 * row['low']:.1f} to {100 * row['high']:.1f} %)"
        counts = f"{row['equal']} | {row['undecided']} | {row['covered']}"
        means = f"{row['width']:.3f} | {row['difference']:.3f} | {row['luck']:.2f} | {row['dice']:.2f}"
        place = f"{row['series']} | {row['pool']} | {row['n']}"
        print(f"| {place} | {row['studies']} | {false} | {counts} | {means} |")
    for row in rows:
        if row["verdict"] in FALSE:
            place = f"{row['pool']}, {row['n']} patients, study {row['number']}"
            print(f"false: {place}: {row['verdict']}, {row['reason']}")


def read_results(folder):
    """Read the finished studies by name.

    Raises
    ------
    ValueError
        If one was run with another number of steps.
    """
    results = {path.name: files.read_json(path) for path in sorted((folder / "studies").glob("*.json"))}
    for name, result in results.items():
        if result["steps"] != STEPS:
            raise ValueError(f"{folder}/studies/{name} took {result['steps']} steps, not {STEPS}; use another folder")
    return results


def list_missing(folder, series):
    """List the studies of a series that were not finished yet."""
    finished = read_results(folder)
    return [study for study in list_studies(series) if study.name not in finished]


def run_studies(studies, folder, jobs):
    """Run studies in several processes; say of each what it found."""
    executor = ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"))
    try:
        for done in as_completed([executor.submit(run_study, study, folder) for study in studies]):
            row = judge(done.result())
            shown = " ".join(f"{row[name]:.3f}" for name in ("dice", "mean_difference", "low", "high"))
            print(row["pool"], row["n"], row["number"], f"{row['seconds']:.0f} s", shown, row["verdict"], flush=True)
    finally:
        executor.shutdown(cancel_futures=True)


def main(arguments=None):
    """Run what is missing, and print the summary."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=ROOT / "../shared/data")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--series", type=int, choices=SERIES, default=1)
    parser.add_argument("--pools", nargs="+", choices=POOLS, default=POOLS, help="run these alone")
    parser.add_argument("--most", type=int, help="run no more studies than so many")
    parser.add_argument("--summary", action="store_true", help="run nothing")
    options = parser.parse_args(arguments)
    folder = options.folder.resolve()
    if not options.summary:
        for pool in options.pools:
            prepare(pool, folder, options.data, options.jobs)
        missing = [study for study in list_missing(folder, options.series) if study.pool in options.pools]
        run_studies(missing[: options.most], folder, options.jobs)
    rows = [judge(result) for result in read_results(folder).values()]
    if not rows:
        parser.error(f"{folder} has no finished study; call it without --summary")
    tables.write_table(folder / "studies.tsv", rows)
    describe(rows)


if __name__ == "__main__":
    main()
