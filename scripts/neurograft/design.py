"""The design of an experiment: which cells it has, and which of them something is asked of.

An *arm* is one combination of source, strategy, space, split, training size (n) and seed. A *cell* is one arm of one
task in one fold: one job trains it and predicts the patients that were left out of its training. Both are dicts whose
keys are the wildcards of the rules, so that a rule formats its path with a cell and has no logic of its own.

The rules use this module while the Snakefile is parsed: standard library only.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .experiment import SPANS, is_member, list_arms, list_members, list_sources
from .settings import CONTROLS, ENSEMBLE, UNTRAINED

# a row of the cohort table
Row = Mapping[str, str]


def keep_included(rows: Iterable[Row]) -> list[Row]:
    """Keep the rows of the subjects that are in.

    Parameters
    ----------
    rows : iterable of dict
        Of `results/cohort.tsv`.

    Returns
    -------
    list of dict
    """
    return [row for row in rows if row["included"] == "true"]


@dataclass(frozen=True)
class Design:
    """What an experiment consists of, as the config asks for it.

    The rows that its methods take are those of the cohort table whose subjects are in (`keep_included`).

    Attributes
    ----------
    tasks : dict of str to dict
        The config's block `experiment`: task to what is asked of it.
    spaces : dict of str to str
        The config's names of spaces ("template", "native") to the values of the entity `space-`.
    folds : int
        Of the split by patient, `split_cohort.folds`.
    delivered : str
        The strategy whose predictions become the delivered segmentation.
    """

    tasks: dict
    spaces: dict[str, str]
    folds: int
    delivered: str

    @property
    def space(self) -> str:
        """The template's space, or the patients' own where there is no template."""
        return self.spaces["template"]

    @property
    def primary(self) -> dict[str, str]:
        """The `space` and `split` that the verdict is about: those named first."""
        task = self.tasks["segmentation" if self.tasks["segmentation"]["strategies"] else "classification"]
        return {"space": self.spaces[task["spaces"][0]], "split": task["splits"][0]}

    @property
    def scored_spaces(self) -> list[str]:
        """The spaces in which sources are scored before training: those that segmentation is trained in."""
        return list(dict.fromkeys(arm["space"] for arm in self.list_arms("segmentation")))

    @property
    def compared_arms(self) -> list[tuple[str, str]]:
        """The source and strategy of every arm that the verdict is about: held against scratch, at the largest n."""
        return [
            (arm["source"], arm["strategy"])
            for arm in self.list_arms("segmentation", **self.primary)
            if arm["n"] == "all" and arm["strategy"] not in (*CONTROLS, *UNTRAINED)
        ]

    def list_arms(self, task: str, **fixed) -> list[dict]:
        """List the distinct arms of a task.

        Parameters
        ----------
        task : str
        **fixed
            Values that an arm has to have, by their names in it.

        Returns
        -------
        list of dict
            `task`, `source`, `strategy`, `space` (the entity's value), `split`, `n`, `seed`.
        """
        named = [arm | {"task": task, "space": self.spaces[arm["space"]]} for arm in list_arms(self.tasks[task])]
        # without a template both of the config's spaces are one
        distinct = dict.fromkeys(tuple(arm.items()) for arm in named if fixed.items() <= arm.items())
        return [dict(arm) for arm in distinct]

    def list_answered(self, task: str, rows: list[Row]) -> list[Row]:
        """List the subjects that a task may learn from: with tumour labels, or with a class in the cohort table.

        Parameters
        ----------
        task : str
        rows : list of dict
            Of the subjects that are in.

        Returns
        -------
        list of dict
        """
        target = self.tasks["classification"]["target"]
        if task == "classification" and target != "tumour-slice":
            return [row for row in rows if row.get(target, "") not in ("", "n/a")]
        return [row for row in rows if row["labels"] == "true"]

    def count_folds(self, split: str, rows: list[Row]) -> int:
        """Count the folds of a split; the step `split_cohort` settles who is in them.

        Parameters
        ----------
        split : {"folds", "sites", "between"}
        rows : list of dict
            Of the subjects that a task may learn from.

        Returns
        -------
        int
            Of sites one for each, and none where there are fewer than two.
        """
        sites = {row["site"] for row in rows if row["site"]}
        return {"folds": self.folds, "sites": len(sites) if len(sites) > 1 else 0, "between": 1}[split]

    def list_cells(self, task: str, rows: list[Row], **fixed) -> list[dict]:
        """List the cells of a task.

        Parameters
        ----------
        task : str
        rows : list of dict
            Of the subjects that are in.
        **fixed
            Values that a cell's arm has to have, as in `list_arms`.

        Returns
        -------
        list of dict
            Arms with their `fold`; none where there are fewer subjects to learn from than folds.
        """
        answered = self.list_answered(task, rows)
        if len(answered) < self.folds:
            return []
        arms = self.list_arms(task, **fixed)
        counts = {split: self.count_folds(split, answered) for split in {arm["split"] for arm in arms}}
        return [{"fold": fold, **arm} for arm in arms for fold in range(counts[arm["split"]])]

    def list_all_cells(self, rows: list[Row]) -> list[dict]:
        """List the cells of every task, as `list_cells` does for one."""
        return [cell for task in self.tasks for cell in self.list_cells(task, rows)]

    def list_delivered_cells(self, rows: list[Row]) -> list[dict]:
        """List the cells whose predictions become the delivered segmentation: every fold of one arm.

        Parameters
        ----------
        rows : list of dict
            Of the subjects that are in.

        Returns
        -------
        list of dict
        """
        asked = self.tasks["segmentation"]
        arm = {"source": asked["sources"][0], "strategy": self.delivered, "space": self.space}
        return self.list_cells("segmentation", rows, **arm, split="folds", n="all", seed=asked["seeds"][0])

    def list_member_cells(self, ensemble: Mapping) -> list[dict]:
        """List the cells whose predictions an ensemble averages.

        Parameters
        ----------
        ensemble : mapping
            The ensemble's cell, such as a job's wildcards: all but its task and strategy.

        Returns
        -------
        list of dict
        """
        shared = {name: ensemble[name] for name in ("fold", *SPANS) if name != "strategy"}
        members = list_members(self.list_arms("segmentation"), shared)
        return [shared | {"task": "segmentation", "strategy": strategy} for strategy in members]

    def is_delivered(self, cell: Mapping) -> bool:
        """Say whether a cell's predictions become the delivered segmentation, alone or as a member of an ensemble.

        Parameters
        ----------
        cell : mapping
            With `strategy`, `space` and `split`, such as a job's wildcards.

        Returns
        -------
        bool
        """
        averaged = self.delivered == ENSEMBLE and is_member(cell["strategy"])
        there = (cell["space"], cell["split"]) == (self.space, "folds")
        return there and (averaged or cell["strategy"] == self.delivered)

    def count_trainings(self, rows: list[Row]) -> dict[str, dict[str, int]]:
        """Count the networks to train of each source, in each task that strategies are asked of.

        Parameters
        ----------
        rows : list of dict
            Of the subjects that are in.

        Returns
        -------
        dict of str to (dict of str to int)
            Task to source to count.
        """
        counts = {}
        for task, asked in self.tasks.items():
            if asked["strategies"]:
                cells = self.list_cells(task, rows)
                trained = Counter(cell["source"] for cell in cells if cell["strategy"] not in UNTRAINED)
                counts[task] = {source: trained[source] for source in list_sources(asked)}
        return counts
