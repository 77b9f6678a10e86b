"""What the report is made of, read back from the files of the steps."""

from collections import defaultdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from statistics import median

from neurograft import __version__
from neurograft.core import tables
from neurograft.core.files import read_json
from neurograft.experiment import cell_folder

SOFTWARE = (
    "snakemake",
    "torch",
    "monai",
    "deepbet",
    "picsl_greedy",
    "antspyx",
    "SimpleITK",
    "scikit-image",
    "scikit-learn",
    "nibabel",
    "nilearn",
    "numpy",
    "scipy",
)


def read_results(files, benchmarks):
    """Read everything that `pages.write_report` shows.

    Parameters
    ----------
    files : object with attributes
        Paths `cohort`, `quality`, `splits`, `scores`, `comparison`, `again`, `times`, `plan` (or nothing), and the
        tables of `assessment.COLUMNS`; where there are such tables also `transfer_scores`, `audit` and
        `intensities`; of a set of pictures `imported`, `copies` and `contrast`, else nothing and `candidates` (the list
        of `supervoxel_files.gather_candidates`); lists of paths `cells` and `figures` (folders in `.../sub-X/`).
    benchmarks : str or Path
        Folder of Snakemake's benchmark files.

    Returns
    -------
    dict
        Keyword arguments of `pages.write_report`.
    """
    # pictures have neither transferability scores nor sites to compare
    optional = {name: getattr(files, name, None) for name in ("transfer_scores", "audit", "intensities")}
    shown = {name: tables.read_table(getattr(files, name)) for name in ("cohort", "quality", "scores", "times")}
    shown |= {name: tables.read_table(path) for name, path in optional.items() if path}
    plan = read_json(files.plan) if files.plan else {}
    found = tables.read_table(files.candidates) if files.candidates else ()
    return shown | {
        "comparison": tables.read_table(files.comparison),
        "again": tables.read_table(files.again),
        "labels_saved": tables.read_table(files.labels_saved),
        "time_saved": tables.read_table(files.time_saved),
        "overfitting": tables.read_table(files.overfitting),
        "generalisation": tables.read_table(files.generalisation),
        "layers": tables.read_table(files.layers),
        "features": tables.read_table(files.features),
        "privacy": tables.read_table(files.privacy),
        "fairness": tables.read_table(files.fairness),
        "splits": read_json(files.splits),
        "plan": plan,
        "error_rates": plan.get("error_rates", ()),
        "imported": read_json(files.imported) | {"copies": files.copies} if files.imported else {},
        "contrast": tables.read_table(files.contrast) if files.contrast else [],
        "cells": [cell_folder.read_cell(folder) for folder in files.cells],
        "candidates": {row["subject"]: read_json(row["record"]) for row in found},
        "pictures": {_subject(folder): _pictures(folder) for folder in files.figures},
        "versions": read_versions(),
        "runtimes": read_runtimes(benchmarks),
    }


def read_versions():
    """Name the software that ran and its versions.

    Returns
    -------
    dict of str to str
    """
    found = {"neurograft": __version__, "python": python_version()}
    for name in SOFTWARE:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def read_runtimes(folder):
    """Summarise Snakemake's benchmarks by rule.

    Returns
    -------
    list of dict
        `rule`, `jobs`, `seconds_median`, `seconds_max`, `memory_mb` (the largest), slowest sum first.
    """
    found = defaultdict(list)
    for path in sorted(Path(folder).glob("*/*.tsv")):
        found[path.parent.name] += tables.read_table(path)
    rows = []
    for rule, runs in found.items():
        seconds = [float(run["s"]) for run in runs]
        # a job that ends before the first measurement has no memory figure
        memory = [float(run["max_rss"]) for run in runs if run["max_rss"] not in ("", "-", "NA")]
        rows.append(
            {
                "rule": rule,
                "jobs": len(runs),
                "seconds_median": median(seconds),
                "seconds_max": max(seconds),
                "memory_mb": max(memory, default=float("nan")),
                "total": sum(seconds),
            }
        )
    rows.sort(key=lambda row: -row["total"])
    return [{key: value for key, value in row.items() if key != "total"} for row in rows]


def _subject(path):
    """The subject whose file this is: the folder `sub-X` above it."""
    return next(part for part in Path(path).parts if part.startswith("sub-")).removeprefix("sub-")


def _pictures(folder):
    """The pictures in a folder, by name."""
    return {path.stem: path for path in sorted(Path(folder).glob("*.png"))}
