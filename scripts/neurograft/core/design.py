"""The design of an experiment: its cells, and which of them belong to a step or a table.

Here, an *arm* is one combination of source, strategy, space, split, training size (n) and seed. A *cell* is one arm of
one task in one fold: one job trains it and predicts the patients left out of its training. Both are dicts whose keys
are the wildcards of the rules, so a rule can format its path with a cell and needs no logic of its own.

The Snakefile imports this module when it is parsed: standard library only.
"""

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

from neurograft.core.cells import Cell
from neurograft.core.config import SettingsError
from neurograft.core.control_splits import is_control
from neurograft.core.external import ExternalMasks, list_external_arms
from neurograft.core.replay import check_controls
from neurograft.core.strategies import (
    CONTROLS,
    ENSEMBLE,
    METHODS,
    NO_MEMBERS,
    STRATEGIES,
    TRANSDUCTIVE,
    UNTRAINED,
    base_strategy,
    trains_here,
)


class Spans(TypedDict):
    """The values to combine for a task: every combination is an arm."""

    sources: list[str]
    strategies: list[str]
    spaces: list[str]
    splits: list[str]
    n: list[int | str]
    seeds: list[int]


class TaskConfig(Spans):
    """A block of the config's `experiment`: `segmentation` or `classification`."""

    also: NotRequired[list[Spans]]
    external: NotRequired[dict[str, ExternalMasks]]  # segmentation only
    target: str  # classification only
    unit: NotRequired[str]  # classification only


class ConfiguredArm(TypedDict):
    """An arm as the config names it."""

    source: str
    strategy: str
    space: str
    split: str
    n: int | str
    seed: int


class DesignArm(ConfiguredArm):
    """An arm of a task; `space` is the value of the entity `space-`."""

    task: str


class DesignCell(DesignArm):
    """An arm of a task in one fold."""

    fold: int


# a row of the cohort table as text: the fixed columns and those of the dataset
Row: TypeAlias = Mapping[str, str]
# the config's block `experiment`
Experiment: TypeAlias = Mapping[str, TaskConfig]

# the fields that distinguish arms, and the config keys that list their values
SPANS = {"source": "sources", "strategy": "strategies", "space": "spaces", "split": "splits", "n": "n", "seed": "seeds"}


def list_configured_arms(task: TaskConfig) -> list[ConfiguredArm]:
    """List the distinct arms of one task: those of its own spans, of `also`, and of other programs.

    Parameters
    ----------
    task : dict
        The config's block `experiment.segmentation` or `.classification`.

    Returns
    -------
    list of dict
        `source`, `strategy`, `space` and `split` as named in the config, `n`, `seed`.
    """
    arms = dict.fromkeys(
        arm
        for span in _list_spans(task)
        for arm in itertools.product(
            span["sources"], span["strategies"], span["spaces"], span["splits"], span["n"], span["seeds"]
        )
    )
    arms |= dict.fromkeys(list_external_arms(task.get("external", {}), task["spaces"][0], task["seeds"][0]))
    return [
        {"source": source, "strategy": strategy, "space": space, "split": split, "n": n, "seed": seed}
        for source, strategy, space, split, n, seed in arms
    ]


def _list_spans(task: TaskConfig) -> list[Spans]:
    """List a task's own spans, then those of `also`."""
    return [task, *task.get("also", ())]


def list_members(arms: Iterable[Mapping[str, Any]], arm: Mapping[str, Any]) -> list[str]:
    """List the strategies that an ensemble averages: those with its source, space, split, n and seed.

    Parameters
    ----------
    arms : list of dict
        The arms of the task, from `list_arms`.
    arm : dict
        The ensemble's arm; numbers may be text.

    Returns
    -------
    list of str
    """
    shared = [name for name in SPANS if name != "strategy"]
    beside: list[str] = [
        other["strategy"] for other in arms if all(str(other[name]) == str(arm[name]) for name in shared)
    ]
    return [strategy for strategy in beside if is_member(strategy)]


def is_member(strategy: str) -> bool:
    """Check whether a strategy, or the strategy of a variant, can be a member of an ensemble."""
    return base_strategy(strategy) not in NO_MEMBERS


def list_sources(task: TaskConfig) -> list[str]:
    """List every source of a task once, with those of the task's own spans first."""
    return list(dict.fromkeys(source for span in _list_spans(task) for source in span["sources"]))


def check_experiment(
    experiment: Experiment,
    delivered: str,
    sources: Mapping[str, Mapping[str, str]],
    between: Mapping[str, list[str]] | None = None,
    repeats: int = 1,
) -> None:
    """Check what the schema cannot express: that the parts of an experiment fit together.

    Parameters
    ----------
    experiment : dict
        The config's block `experiment`.
    delivered : str
        The strategy whose predictions are delivered.
    sources : dict
        Rows of `config/sources.tsv` by name.
    between : dict, optional
        `split_cohort.between`: the sites for `train` and `test`.
    repeats : int
        `split_cohort.repeats`.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    for name, task in experiment.items():
        for source in list_sources(task):
            if source not in sources:
                names = ", ".join(sources)
                raise SettingsError(f"config: experiment.{name}.sources names '{source}'; sources.tsv has: {names}")
    _check_methods(experiment, sources)
    segmentation = experiment["segmentation"]
    if base_strategy(delivered) in TRANSDUCTIVE:
        raise SettingsError(
            f"config: deliver.strategy is '{delivered}', whose networks were adapted to images of test patients: "
            "deliver one that was not"
        )
    if segmentation["strategies"] and delivered not in segmentation["strategies"]:
        raise SettingsError(
            f"config: deliver.strategy is '{delivered}', which experiment.segmentation.strategies does not train: "
            f"add it there, or deliver one of {', '.join(segmentation['strategies'])}"
        )
    needed = {"n": "all", "spaces": "template", "splits": "folds"}
    for key, value in needed.items():
        if segmentation["strategies"] and value not in segmentation[key]:
            raise SettingsError(
                f"config: experiment.segmentation.{key} needs '{value}': the delivered segmentation comes from there"
            )
    check_controls(experiment["classification"], list_configured_arms(experiment["classification"]))
    train, test = (set((between or {}).get(side) or ()) for side in ("train", "test"))
    splits = {arm["split"] for task in experiment.values() for arm in list_configured_arms(task)}
    if "between" in splits and not (train and test):
        raise SettingsError("config: the split 'between' needs split_cohort.between: {train: [SITE], test: [SITE]}")
    if repeats > 1 and splits and "folds" not in splits:
        raise SettingsError(
            f"config: split_cohort.repeats is {repeats}, and repeats the split 'folds', which the experiment does not "
            "have: leave it out, or add 'folds' to experiment.*.splits"
        )
    if train & test:
        raise SettingsError(f"config: split_cohort.between trains and tests on {sorted(train & test)}")


def _check_methods(experiment: Experiment, sources: Mapping[str, Mapping[str, str]]) -> None:
    """Check that methods without a network are used only for segmentation, and supervoxels with 2-D sources."""
    for name, task in experiment.items():
        arms = list_configured_arms(task)
        for arm in arms:
            if arm["strategy"] not in UNTRAINED:
                continue
            if name != "segmentation":
                place = f"config: experiment.{name}.strategies"
                raise SettingsError(f"{place}: {arm['strategy']} is a method of segmentation; leave it out here")
            if arm["strategy"] == ENSEMBLE and len(list_members(arms, arm)) < 2:
                raise SettingsError(
                    f"config: experiment.{name}.strategies: {ENSEMBLE} is the mean of at least two others beside it, "
                    f"and {', '.join(NO_MEMBERS[:-1])} do not count; add another, such as supervoxels-plain"
                )
            row = sources[arm["source"]]
            if arm["strategy"] in METHODS and row["dimensions"] != "2":
                flat = ", ".join(source for source, other in sources.items() if other["dimensions"] == "2")
                raise SettingsError(
                    f"config: experiment.{name}: {arm['strategy']} takes features of slices, and {arm['source']} is a "
                    f"{row['dimensions']}-D source: choose from {flat}"
                )


def check_variants(variants: Mapping[str, Mapping[str, Any]]) -> None:
    """Check the named variants of strategies.

    Parameters
    ----------
    variants : dict of str to dict
        The config's block `variants`: name to `method` and the parameters that differ.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    for name, row in variants.items():
        method: str = row["method"]
        if not name.startswith(f"{method}-") or base_strategy(name) != method:
            raise SettingsError(f"config: variants.{name} is a variant of {method}: name it {method}-SOMETHING")
        wrong = sorted(set(row) - {"method", *STRATEGIES[method].parameters})
        if wrong:
            names = ", ".join(STRATEGIES[method].parameters)
            raise SettingsError(f"config: variants.{name}: {method} has no parameter '{wrong[0]}'; it has {names}")
        for key in ("k", "rank"):
            if not isinstance(row.get(key, 1), int):
                raise SettingsError(f"config: variants.{name}.{key} is {row[key]}; it takes a whole number")


def keep_included(rows: Iterable[Row]) -> list[Row]:
    """Keep the rows of the included subjects.

    Parameters
    ----------
    rows : iterable of dict
        Rows of `results/cohort.tsv`.

    Returns
    -------
    list of dict
    """
    return [row for row in rows if row["included"] == "true"]


@dataclass(frozen=True)
class Design:
    """The experiment that the config asks for.

    The methods take the cohort table's rows of included subjects (`keep_included`).

    Attributes
    ----------
    tasks : dict of str to dict
        The config's block `experiment`, by task.
    spaces : dict of str to str
        The config's names of spaces ("template", "native") to the values of the entity `space-`.
    folds : int
        Number of folds of the split by patient, `split_cohort.folds`.
    delivered : str
        The strategy whose predictions become the delivered segmentation.
    repeats : int
        How often the patients are divided into those folds, `split_cohort.repeats`; other splits have one partition.
    """

    tasks: Experiment
    spaces: dict[str, str]
    folds: int
    delivered: str
    repeats: int = 1

    @property
    def space(self) -> str:
        """The template's space, or the patients' own space if there is no template."""
        return self.spaces["template"]

    @property
    def judged_task(self) -> Literal["segmentation", "classification"]:
        """The task that the verdict is about."""
        networks = set(self.tasks["segmentation"]["strategies"]) - set(UNTRAINED)
        return "segmentation" if networks or not self.tasks["classification"]["strategies"] else "classification"

    @property
    def primary(self) -> dict[str, str]:
        """The `space` and `split` that the verdict is about: the first in the config."""
        task = self.tasks[self.judged_task]
        return {"space": self.spaces[task["spaces"][0]], "split": task["splits"][0]}

    @property
    def scored_spaces(self) -> list[str]:
        """The spaces in which sources are scored before training: those that segmentation is trained in."""
        return list(dict.fromkeys(arm["space"] for arm in self.list_arms("segmentation")))

    @property
    def compared_arms(self) -> list[tuple[str, str]]:
        """The source and strategy of every arm with a verdict: compared with scratch at n = all."""
        return [
            (arm["source"], arm["strategy"])
            for arm in self.list_arms(self.judged_task, **self.primary)
            if arm["n"] == "all" and trains_here(arm["source"], arm["strategy"]) and arm["strategy"] not in CONTROLS
        ]

    def list_arms(self, task: str, **fixed: object) -> list[DesignArm]:
        """List the distinct arms of a task.

        Parameters
        ----------
        task : str
        **fixed
            Field values that an arm must have.

        Returns
        -------
        list of dict
            `task`, `source`, `strategy`, `space` (the entity's value), `split`, `n`, `seed`.
        """
        arms: list[DesignArm] = [
            {**arm, "space": self.spaces[arm["space"]], "task": task} for arm in list_configured_arms(self.tasks[task])
        ]
        # without a template, both spaces of the config are the same
        distinct = {tuple(arm.items()): arm for arm in arms if fixed.items() <= arm.items()}
        return list(distinct.values())

    def list_answered(self, task: str, rows: list[Row]) -> list[Row]:
        """List the labelled subjects of a task: those with tumour labels, or with a class in the cohort table.

        Parameters
        ----------
        task : str
        rows : list of dict
            Of the included subjects.

        Returns
        -------
        list of dict
        """
        target = self.tasks["classification"]["target"]
        if task == "classification" and target != "tumour-slice":
            return [row for row in rows if row.get(target, "") not in ("", "n/a")]
        return [row for row in rows if row["labels"] == "true"]

    def count_folds(self, split: str, rows: list[Row]) -> int:
        """Count the folds of a split; the step `split_cohort` assigns the subjects to them.

        Parameters
        ----------
        split : str
        rows : list of dict
            Of the labelled subjects of a task.

        Returns
        -------
        int
            Of all partitions. For sites one fold each, or none if there are fewer than two sites.
        """
        sites = {row["site"] for row in rows if row["site"]}
        counts = {"folds": self.folds * self.repeats, "sites": len(sites) if len(sites) > 1 else 0, "between": 1}
        return {**counts, "own": 1}.get(split, self.folds)

    def list_cells(self, task: str, rows: list[Row], **fixed: object) -> list[DesignCell]:
        """List the cells of a task.

        Parameters
        ----------
        task : str
        rows : list of dict
            Of the included subjects.
        **fixed
            Field values that a cell's arm must have, as in `list_arms`.

        Returns
        -------
        list of dict
            Arms with their `fold`; none if there are fewer labelled subjects than folds.
        """
        answered = self.list_answered(task, rows)
        if len(answered) < self.folds:
            return []
        arms = self.list_arms(task, **fixed)
        counts = {split: self.count_folds(split, answered) for split in {arm["split"] for arm in arms}}
        return [{"fold": fold, **arm} for arm in arms for fold in range(counts[arm["split"]])]

    def list_all_cells(self, rows: list[Row]) -> list[DesignCell]:
        """List the cells of every task, as `list_cells` does for one, without those of control splits."""
        cells = [cell for task in self.tasks for cell in self.list_cells(task, rows)]
        return [cell for cell in cells if not is_control(cell["split"])]

    def list_delivered_cells(self, rows: list[Row]) -> list[DesignCell]:
        """List the cells whose predictions become the delivered segmentation: every fold of one arm.

        Of repeated partitions the first: a labelled subject's mask is then one network's, as it was scored.

        Parameters
        ----------
        rows : list of dict
            Of the included subjects.

        Returns
        -------
        list of dict
        """
        task = self.tasks["segmentation"]
        arm = {"source": task["sources"][0], "strategy": self.delivered, "space": self.space}
        cells = self.list_cells("segmentation", rows, **arm, split="folds", n="all", seed=task["seeds"][0])
        return [cell for cell in cells if cell["fold"] < self.folds]

    def list_member_cells(self, ensemble: Mapping[str, Any]) -> list[Cell]:
        """List the cells whose predictions an ensemble averages.

        Parameters
        ----------
        ensemble : mapping
            The ensemble's cell, such as a job's wildcards; task and strategy are not needed.

        Returns
        -------
        list of dict
        """
        return [
            {
                "task": "segmentation",
                "source": ensemble["source"],
                "strategy": strategy,
                "space": ensemble["space"],
                "split": ensemble["split"],
                "n": ensemble["n"],
                "fold": ensemble["fold"],
                "seed": ensemble["seed"],
            }
            for strategy in list_members(self.list_arms("segmentation"), ensemble)
        ]

    def is_delivered(self, cell: Mapping[str, Any]) -> bool:
        """Check whether a cell's predictions become the delivered segmentation, directly or through an ensemble.

        Parameters
        ----------
        cell : mapping
            With `strategy`, `space`, `split` and `fold`, such as a job's wildcards.

        Returns
        -------
        bool
        """
        averaged = self.delivered == ENSEMBLE and is_member(cell["strategy"])
        placed = (cell["space"], cell["split"]) == (self.space, "folds") and int(cell["fold"]) < self.folds
        return placed and (averaged or cell["strategy"] == self.delivered)

    def count_trainings(self, rows: list[Row]) -> dict[str, dict[str, int]]:
        """Count the networks to train for each source, in each task that has strategies.

        Parameters
        ----------
        rows : list of dict
            Of the included subjects.

        Returns
        -------
        dict of str to (dict of str to int)
            Task to source to count.
        """
        counts: dict[str, dict[str, int]] = {}
        for name, task in self.tasks.items():
            if task["strategies"]:
                cells = self.list_cells(name, rows)
                trained = Counter(cell["source"] for cell in cells if cell["strategy"] not in UNTRAINED)
                counts[name] = {source: trained[source] for source in list_sources(task)}
        return counts
