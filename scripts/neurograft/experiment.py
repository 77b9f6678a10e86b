"""An experiment as the config asks for it: its arms, and whether its parts fit together.

The rules use this module while the Snakefile is parsed: nothing heavy is imported here.
"""

import itertools

from .settings import (
    ENSEMBLE,
    METHODS,
    NO_MEMBERS,
    PARAMETERS,
    TRANSDUCTIVE,
    UNTRAINED,
    SettingsError,
    base_strategy,
)

# what tells the arms of an experiment apart: the key of the config that lists its values
SPANS = {"source": "sources", "strategy": "strategies", "space": "spaces", "split": "splits", "n": "n", "seed": "seeds"}


def list_arms(wanted):
    """List the distinct arms of one task's experiment: those of its own spans, then of the further ones.

    Parameters
    ----------
    wanted : dict
        The config's block `experiment.segmentation` or `.classification`.

    Returns
    -------
    list of dict
        `source`, `strategy`, `space` and `split` as the config names them, `n`, `seed`.
    """
    spans = [[span[key] for key in SPANS.values()] for span in (wanted, *wanted.get("also", ()))]
    arms = dict.fromkeys(arm for span in spans for arm in itertools.product(*span))
    return [dict(zip(SPANS, arm, strict=True)) for arm in arms]


def list_members(arms, arm):
    """Name the strategies whose predictions an ensemble averages: those of its source, space, split, n and seed.

    Parameters
    ----------
    arms : list of dict
        Of the task, as `list_arms` gives them.
    arm : dict
        The ensemble's; values as text or not.

    Returns
    -------
    list of str
    """
    shared = [name for name in SPANS if name != "strategy"]
    beside = [other["strategy"] for other in arms if all(str(other[name]) == str(arm[name]) for name in shared)]
    return [strategy for strategy in beside if is_member(strategy)]


def is_member(strategy):
    """Say whether an ensemble beside a strategy, or a variant of one, averages its predictions."""
    return base_strategy(strategy) not in NO_MEMBERS


def list_sources(wanted):
    """Name every source of a task's experiment once, those of its own spans first."""
    return list(dict.fromkeys(source for span in (wanted, *wanted.get("also", ())) for source in span["sources"]))


def check_experiment(experiment, delivered, sources, between=None):
    """Check what no schema can say: that the parts of an experiment fit together.

    Parameters
    ----------
    experiment : dict
        The config's block `experiment`.
    delivered : str
        The strategy whose predictions are delivered.
    sources : dict
        Rows of `config/sources.tsv` by name.
    between : dict
        `split_cohort.between`: sites to `train` and `test` on.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    for task, wanted in experiment.items():
        for source in list_sources(wanted):
            if source not in sources:
                known = ", ".join(sources)
                raise SettingsError(f"config: experiment.{task}.sources names '{source}'; sources.tsv has: {known}")
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
    sides = [(between or {}).get(side) for side in ("train", "test")]
    splits = {arm["split"] for wanted in experiment.values() for arm in list_arms(wanted)}
    if "between" in splits and not all(sides):
        raise SettingsError("config: the split 'between' needs split_cohort.between: {train: [SITE], test: [SITE]}")
    if all(sides) and set(sides[0]) & set(sides[1]):
        raise SettingsError(f"config: split_cohort.between trains and tests on {sorted(set(sides[0]) & set(sides[1]))}")


def _check_methods(experiment, sources):
    """Check that what trains no network is asked for what it can do: segmentation, and methods by sources of slices."""
    for task, wanted in experiment.items():
        for arm in list_arms(wanted):
            if arm["strategy"] not in UNTRAINED:
                continue
            if task != "segmentation":
                place = f"config: experiment.{task}.strategies"
                raise SettingsError(f"{place}: {arm['strategy']} is a method of segmentation; leave it out here")
            if arm["strategy"] == ENSEMBLE and len(list_members(list_arms(wanted), arm)) < 2:
                raise SettingsError(
                    f"config: experiment.{task}.strategies: {ENSEMBLE} is the mean of at least two others beside it, "
                    f"and {', '.join(NO_MEMBERS[:-1])} do not count; add another, such as supervoxels-plain"
                )
            row = sources[arm["source"]]
            if arm["strategy"] in METHODS and row["dimensions"] != "2":
                flat = ", ".join(name for name, other in sources.items() if other["dimensions"] == "2")
                raise SettingsError(
                    f"config: experiment.{task}: {arm['strategy']} takes features of slices, and {arm['source']} is a "
                    f"{row['dimensions']}-D source: choose from {flat}"
                )


def check_variants(variants):
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
        method = row["method"]
        if not name.startswith(f"{method}-") or base_strategy(name) != method:
            raise SettingsError(f"config: variants.{name} is a variant of {method}: name it {method}-SOMETHING")
        wrong = sorted(set(row) - {"method", *PARAMETERS[method]})
        if wrong:
            known = ", ".join(PARAMETERS[method])
            raise SettingsError(f"config: variants.{name}: {method} has no parameter '{wrong[0]}'; it has {known}")
        for key in ("k", "rank"):
            if not isinstance(row.get(key, 1), int):
                raise SettingsError(f"config: variants.{name}.{key} is {row[key]}; it takes a whole number")


def check_target(target, found):
    """Check that a column that is to be classified exists, as far as the dataset's own files tell.

    Parameters
    ----------
    target : str
        `experiment.classification.target`.
    found : dict of str to dict
        What `cohort.find_subjects` found; simulated subjects have no columns yet.

    Raises
    ------
    SettingsError
        One line with the columns that there are.
    """
    columns = {"site": ""} | {name: "" for subject in found.values() for name in subject["columns"]}
    if target not in ("tumour-slice", *columns) and len(columns) > 1:
        raise SettingsError(
            f"config: experiment.classification.target is '{target}', but the dataset has no such column; "
            f"choose tumour-slice or one of {', '.join(columns)}"
        )
