"""The config against its schema: defaults filled in, a mistake named in one line."""

import copy
import difflib


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
    if config["normalize_intensity"]["method"] == "nyul":
        raise SettingsError(
            "config: normalize_intensity.method is nyul, which maps brains, and layout images has only pictures; leave "
            "it out, or choose zscore or percentile"
        )
    if wanted["splits"] != ["folds"]:
        raise SettingsError("config: experiment.classification.splits: layout images has folds only")
    config["experiment"]["segmentation"]["strategies"] = []
    config["register_scans"]["template"] = "none"
    config["report"]["title"] = given.get("report", {}).get("title", "Does transfer learning help on these pictures?")
    if wanted["target"] == "tumour-slice":
        wanted["target"] = "class"
    return config


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
