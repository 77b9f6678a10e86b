"""Everything that the report shows: one frozen dataclass, and how it is read from the files of the steps."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from platform import python_version
from statistics import median
from typing import Any

from neurograft.core import tables, versions
from neurograft.core.files import read_json
from neurograft.core.labels import is_own, judged_region
from neurograft.core.region_words import name_region
from neurograft.core.split_file import map_repeats
from neurograft.experiment import cell_folder
from neurograft.report import summaries

TITLE = "Does transfer learning help these patients?"

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
    "jupyterlab_niivue",
)


Row = Mapping[str, Any]
Rows = Sequence[Row]


@dataclass(frozen=True)
class Results:
    """Everything that the report shows, as the steps of the workflow wrote it.

    A table is a sequence of dicts; its numbers may be text, as read from a TSV, and may be missing. A table that a run
    does not have is empty. What follows from these fields is a property, computed once and never written back.

    Attributes
    ----------
    cohort, quality, intensities : sequence of dict
        Rows of `results/cohort.tsv`, `quality.tsv` and `intensities.tsv`.
    config : dict
        The resolved configuration.
    simulated : bool
        Whether the patients are simulated; every page then says so.
    title : str
        Title of the report.
    splits, plan, recommendation : dict
        Contents of `results/splits.json`, `plan.json` and `recommendation.json`.
    primary : dict
        `space` and `split` of the primary analysis, which alone has verdicts.
    scores, comparison, again, times : sequence of dict
        Tables of `results/evaluation`; `again` compares scratch with itself (A/A).
    gain_by_budget : sequence of dict
        What each arm gains at each budget of training (`budgets.GAINS`).
    labels_saved, time_saved, overfitting, generalisation, layers, features, privacy, fairness : sequence of dict
        Tables of the transfer assessment (`assessment.COLUMNS`).
    transfer_scores, audit : sequence of dict
        Transferability scores, and their audit.
    replay, replay_dice : sequence of dict
        Only with control splits: their scores beside those by patient, and the Dice from superpixels.
    mask_quality, mask_summary, unlabelled_masks : sequence of dict
        How good each mask was said to be (`delivery.mask_quality`): of labelled subjects, by region, of the others.
    label_doubt : sequence of dict
        Labelled subjects, the one whose label is contradicted most first (`delivery.label_doubt`).
    mask_calibration, missed_tumour : sequence of dict
        What probabilities are worth, and how low to cut them to miss little (`delivery.chances`).
    false_alarms : sequence of dict
        What was marked in healthy heads, a row a region (`delivery.false_alarms.SUMMARY`).
    label_order, label_gain : sequence of dict
        Patients without a label, the least certain first, and whether such an order beat chance
        (`delivery.label_order`).
    lesions : sequence of dict
        Scores of the delivered masks by region and measure (`evaluation.lesions.SUMMARY`).
    error_rates : sequence of dict
        Simulated error rates of the verdict (shares from 0 to 1).
    cells : sequence of dict
        The manifest of each cell (`cell_folder.read_cell`), with `history`, the rows of its `history.tsv`.
    imported : dict
        Only for a set of 2-D pictures: the record of `import_images`; `copies` is the path of its figure of copies.
    contrast : sequence of dict
        Only for a set of 2-D pictures: scores of the histograms alone.
    guard : dict
        The record of `guard_leaks`: `leaks`, `sources`, `known`, `subjects`.
    candidates : dict of str to dict
        Subject to the record of `propose_candidates`.
    sources : sequence of dict
        Rows of `config/sources.tsv`.
    versions : dict of str to str
        Software to version.
    runtimes : sequence of dict
        Of each rule: `rule`, `jobs`, `seconds_median`, `seconds_max`, `memory_mb`.
    pictures : dict of str to dict
        Subject to figure (a key of `guidance.yaml`'s `pictures`) to the path of a PNG.
    volumes : dict of str to str
        Subject to the script of the volumes of its 3-D viewer; an empty file if it has none.
    """

    cohort: Rows = ()
    quality: Rows = ()
    intensities: Rows = ()
    config: Row = field(default_factory=dict)
    simulated: bool = False
    title: str = TITLE
    splits: Row = field(default_factory=dict)
    plan: Row = field(default_factory=dict)
    recommendation: Row = field(default_factory=dict)
    primary: Mapping[str, str] = field(default_factory=dict)
    scores: Rows = ()
    comparison: Rows = ()
    again: Rows = ()
    times: Rows = ()
    gain_by_budget: Rows = ()
    labels_saved: Rows = ()
    time_saved: Rows = ()
    overfitting: Rows = ()
    generalisation: Rows = ()
    layers: Rows = ()
    features: Rows = ()
    privacy: Rows = ()
    fairness: Rows = ()
    membership: Rows = ()
    transfer_scores: Rows = ()
    audit: Rows = ()
    replay: Rows = ()
    replay_dice: Rows = ()
    mask_quality: Rows = ()
    mask_summary: Rows = ()
    unlabelled_masks: Rows = ()
    label_doubt: Rows = ()
    mask_calibration: Rows = ()
    missed_tumour: Rows = ()
    false_alarms: Rows = ()
    label_order: Rows = ()
    label_gain: Rows = ()
    lesions: Rows = ()
    error_rates: Rows = ()
    cells: Rows = ()
    imported: Row = field(default_factory=dict)
    check: Row = field(default_factory=dict)
    contrast: Rows = ()
    guard: Row = field(default_factory=dict)
    candidates: Mapping[str, Row] = field(default_factory=dict)
    sources: Rows = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    runtimes: Rows = ()
    pictures: Mapping[str, Mapping[str, str | Path]] = field(default_factory=dict)
    volumes: Mapping[str, str | Path] = field(default_factory=dict)

    @property
    def version(self) -> str:
        """The version of neurograft."""
        return self.versions.get("neurograft", "")

    @property
    def strategy(self) -> str:
        """The strategy whose segmentations are delivered, or nothing."""
        return self.config.get("deliver", {}).get("strategy", "")

    @property
    def source(self) -> str:
        """The source whose segmentations are delivered, which is the first of segmentation, or nothing."""
        return next(iter(self.config.get("experiment", {}).get("segmentation", {}).get("sources", [])), "")

    @cached_property
    def whole(self) -> str:
        """The words for the region that verdicts are about, such as "whole-tumour", to stand before "Dice"."""
        return name_region(judged_region(self.splits.get("tasks", {}).get("segmentation", {}).get("regions", ())))

    @cached_property
    def repeats(self) -> dict[str, int]:
        """Fold of the primary split to its partition of the cohort; without folds of the first."""
        tasks = self.splits.get("tasks", {}).values() if self.primary.get("split") == "folds" else ()
        return {str(fold): repeat for task in tasks for (_, fold), repeat in map_repeats(task).items()}

    @property
    def own_labels(self) -> bool:
        """Whether the labels are the user's own, and so need not be of tumours."""
        return is_own(self.splits.get("scheme", ""))

    @cached_property
    def main(self) -> "Results":
        """The same results with the scores, comparisons, times and cells of the primary space and split only.

        Other spaces and splits answer other questions, so their rows must not mix with these.
        """
        narrowed = ("scores", "comparison", "times", "cells")
        return replace(self, **{name: summaries.keep_primary(getattr(self, name), self.primary) for name in narrowed})

    @cached_property
    def seen_in_pretraining(self) -> frozenset[str]:
        """The subjects whose own scans pretrained the delivered networks."""
        delivered = (self.source, self.strategy)
        cells = [cell for cell in self.cells if (cell["source"], cell["strategy"]) == delivered]
        return frozenset(subject for cell in cells for subject in cell.get("pretrained_on", ()))


def read_results(files, benchmarks, *, config, primary, sources):
    """Read everything that the report shows.

    Parameters
    ----------
    files : object with attributes
        Paths `cohort`, `quality`, `splits`, `guard`, `recommendation`, `scores`, `comparison`, `again`, `times`, and
        the tables of `assessment.COLUMNS`; paths that a run may lack (then an empty list): `plan`, `transfer_scores`,
        `audit`, `replay`, `replay_dice`, `mask_quality`, `mask_summary`, `unlabelled_masks`, `label_doubt`,
        `mask_calibration`, `missed_tumour`, `false_alarms`, `label_order`, `label_gain`, `lesions`, `intensities`,
        `membership`, `check` (the survey of `snakemake check`), `candidates` (the list of
        `supervoxel_files.gather_candidates`), and of a set of 2-D pictures `imported`, `copies` and `contrast`; lists
        of paths `cells`, `figures` (folders) and `volumes` (both in `.../sub-X/`).
    benchmarks : str or Path
        Folder of Snakemake's benchmark files.
    config : dict
        The resolved configuration.
    primary : dict
        `space` and `split` of the primary analysis.
    sources : iterable of dict
        Rows of `config/sources.tsv`.

    Returns
    -------
    Results
    """
    tables_read = {name: _read_table(getattr(files, name, None)) for name in TABLES}
    plan = read_json(files.plan) if files.plan else {}
    return Results(
        **tables_read,
        config=config,
        simulated=config["dataset"]["layout"] == "phantom",
        title=config["report"]["title"],
        splits=read_json(files.splits),
        plan=plan,
        recommendation=read_json(files.recommendation),
        primary=primary,
        error_rates=plan.get("error_rates", ()),
        cells=[cell_folder.read_cell(folder) for folder in files.cells],
        imported=read_json(files.imported) | {"copies": files.copies} if files.imported else {},
        check=read_json(files.check) if getattr(files, "check", None) else {},
        guard=read_json(files.guard) if getattr(files, "guard", None) else {},
        candidates={row["subject"]: read_json(row["record"]) for row in _read_table(files.candidates)},
        sources=list(sources),
        versions=read_versions(),
        runtimes=read_runtimes(benchmarks),
        pictures={_subject(folder): _pictures(folder) for folder in files.figures},
        volumes={_subject(path): path for path in files.volumes},
    )


# the fields of `Results` that are one table each, under the same name among the inputs of the rule
TABLES = (
    *("cohort", "quality", "intensities", "scores", "comparison", "again", "times"),
    *("labels_saved", "time_saved", "overfitting", "generalisation", "layers", "features", "privacy", "fairness"),
    *("gain_by_budget", "membership", "transfer_scores", "audit", "contrast", "replay", "replay_dice"),
    *("mask_quality", "mask_summary", "unlabelled_masks", "label_doubt", "mask_calibration", "missed_tumour"),
    *("false_alarms", "label_order", "label_gain", "lesions"),
)


def _read_table(path):
    """Read a table, or return an empty one where the run has none."""
    return tables.read_table(path) if path else []


def read_versions():
    """Read the versions of the software that ran.

    Returns
    -------
    dict of str to str
    """
    return {"python": python_version()} | versions.read_versions(SOFTWARE)


def read_runtimes(folder):
    """Summarise the benchmarks of Snakemake by rule.

    Returns
    -------
    list of dict
        `rule`, `jobs`, `seconds_median`, `seconds_max`, `memory_mb` (the largest); the largest total time first.
    """
    jobs = defaultdict(list)
    for path in sorted(Path(folder).glob("*/*.tsv")):
        jobs[path.parent.name] += tables.read_table(path)
    rows = []
    for rule, runs in jobs.items():
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
    """Return the subject of a file: X of the folder `sub-X` above it."""
    return next(part for part in Path(path).parts if part.startswith("sub-")).removeprefix("sub-")


def _pictures(folder):
    """Return the figures in a folder, by name."""
    return {path.stem: path for path in sorted(Path(folder).glob("*.png"))}
