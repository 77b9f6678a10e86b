"""The config against its schema: defaults filled in, a mistake named in one line."""

import copy
import difflib
import itertools

from .sources import forbids_sharing

# the arms that every other one is held against
CONTROLS = ("scratch", "frozen-random")
# strategies that see images of the target's patients; named here too, since `strategies` imports torch
TRANSDUCTIVE = ("adabn", "coral", "dann")
# what tells the arms of an experiment apart: the key of the config that lists its values
SPANS = {"source": "sources", "strategy": "strategies", "space": "spaces", "split": "splits", "n": "n", "seed": "seeds"}
# what a variant of a strategy may set; the controls have no variants, or there would be no one control
PARAMETERS = {
    "frozen": ("top",),
    "last-layers": ("encoder", "top", "k"),
    "gradual": ("encoder", "top"),
    "fine-tune": ("encoder", "top"),
    "lp-ft": ("encoder", "top", "later_top"),
    "discriminative": ("top", "xi"),
    "l2-sp": ("encoder", "top", "alpha", "beta"),
    "lora": ("factors", "top", "rank"),
    "adabn": ("encoder", "top"),
    "coral": ("encoder", "top", "weight"),
    "dann": ("encoder", "top", "weight"),
}


class SettingsError(ValueError):
    """A mistake in the config; the message says where, what, and what to write instead."""


def resolve_config(config, schema):
    """Check a config against the schema and fill in every default.

    Parameters
    ----------
    config : dict
        As read from YAML; it is not changed.
    schema : dict
        JSON schema (draft 2020-12); the only home of a default.

    Returns
    -------
    dict
        A complete config.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    config = _fill(copy.deepcopy(config), schema)
    schema = _allow_variants(schema, config.get("variants"))
    mistake = best_match(Draft202012Validator(schema).iter_errors(config))
    if mistake is not None:
        raise SettingsError(_explain(mistake))
    return config


def fit_layout(config, given):
    """Take out of a config what a set of 2-D pictures (layout images) cannot have; other layouts keep theirs.

    Parameters
    ----------
    config : dict
        What `resolve_config` gave.
    given : dict
        What the user gave: only what was asked for on purpose is refused.

    Returns
    -------
    dict
        The config; of pictures with no segmentation, no template, and the folders' names as target.

    Raises
    ------
    SettingsError
        One line for the first part that pictures cannot have.
    """
    if config["dataset"]["layout"] != "images":
        return config
    asked, config = given.get("experiment", {}), copy.deepcopy(config)
    if asked.get("segmentation", {}).get("strategies"):
        raise SettingsError(
            "config: experiment.segmentation.strategies: layout images has no outlines of tumours to learn from; "
            "leave it out, and put the strategies under experiment.classification"
        )
    wanted = config["experiment"]["classification"]
    if asked.get("classification", {}).get("target") == "tumour-slice":
        raise SettingsError(
            "config: experiment.classification.target is 'tumour-slice', which is made from outlines of tumours, and "
            "layout images has none; leave it out (the class is the folder), or name a column of participants.tsv"
        )
    if wanted["splits"] != ["folds"]:
        raise SettingsError("config: experiment.classification.splits: layout images has folds only")
    config["experiment"]["segmentation"]["strategies"] = []
    config["register_scans"]["template"] = "none"
    config["report"]["title"] = given.get("report", {}).get("title", "Does transfer learning help on these pictures?")
    if wanted["target"] == "tumour-slice":
        wanted["target"] = "class"
    return config


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
    spans = [[span[key] for key in SPANS.values()] for span in (wanted, *wanted["also"])]
    arms = dict.fromkeys(arm for span in spans for arm in itertools.product(*span))
    return [dict(zip(SPANS, arm, strict=True)) for arm in arms]


def list_sources(wanted):
    """Name every source of a task's experiment once, those of its own spans first."""
    return list(dict.fromkeys(source for span in (wanted, *wanted["also"]) for source in span["sources"]))


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


def base_strategy(name):
    """Give the strategy that a name stands for: its own, or that of a variant, whose name begins with it."""
    known = (*CONTROLS, *PARAMETERS)
    return max((one for one in known if name == one or name.startswith(f"{one}-")), key=len, default=name)


def check_sources(experiment, sources, publish):
    """Check that the sources that an experiment names can and may serve it.

    Parameters
    ----------
    experiment : dict
        The config's block `experiment`; its sources are in the table (`check_experiment`).
    sources : dict
        Rows of `config/sources.tsv` by name.
    publish : bool
        Whether the trained networks are to be shared.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    flat = ", ".join(name for name, row in sources.items() if row["dimensions"] == "2")
    for task, wanted in experiment.items():
        for name in list_sources(wanted):
            place, row = f"config: experiment.{task}.sources names '{name}'", sources[name]
            if row["dimensions"] != "2":
                raise SettingsError(
                    f"{place}, which is a {row['dimensions']}-D source; training is on slices: choose from {flat}"
                )
            reason = forbids_sharing(row["licence"])
            if publish and reason:
                raise SettingsError(
                    f"{place}, whose licence {row['licence']} {reason}: set publish to false, or take another source"
                )


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


def _fill(value, schema):
    """Add missing keys that have a default, level by level."""
    if isinstance(value, list):
        return [_fill(one, schema.get("items", {})) for one in value]
    if not isinstance(value, dict):
        return value
    for key, inner in schema.get("properties", {}).items():
        if key not in value and "default" in inner:
            value[key] = copy.deepcopy(inner["default"])
        if key in value:
            value[key] = _fill(value[key], inner)
    return value


def _allow_variants(schema, variants):
    """Give the schema with the config's own strategies beside those that it lists."""
    names = list(variants) if isinstance(variants, dict) else []
    if not names:
        return schema
    schema = copy.deepcopy(schema)
    blocks = schema["properties"]
    lists = [task["properties"]["strategies"]["items"] for task in blocks["experiment"]["properties"].values()]
    for place in (*lists, blocks["deliver"]["properties"]["strategy"]):
        place["enum"] += [name for name in names if name not in place["enum"]]
    return schema


def _explain(mistake):
    """Say a validation error in one line that tells what to do."""
    place = ".".join(str(part) for part in mistake.absolute_path) or "the top level"
    if mistake.validator == "additionalProperties":
        known = list(mistake.schema["properties"])
        wrong = sorted(set(mistake.instance) - set(known))[0]
        near = difflib.get_close_matches(wrong, known, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(known)}"
        return f"config: unknown key '{wrong}' at {place}; {hint}"
    if mistake.validator == "enum":
        allowed = ", ".join(str(choice) for choice in mistake.validator_value)
        return f"config: {place} is {mistake.instance!r}; choose one of: {allowed}"
    return f"config: {place}: {mistake.message}; see config/README.md"
