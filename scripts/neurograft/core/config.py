"""Check the config against its schema, fill in defaults, and report a mistake in one line."""

import copy
import difflib
import math
from collections.abc import Mapping
from typing import Any, cast


class SettingsError(ValueError):
    """A mistake in the config; the message says where it is, what is wrong, and what to write instead."""


def resolve_config(config: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Check a config against the schema and fill in every default.

    Parameters
    ----------
    config : dict
        As read from YAML; it is not changed.
    schema : dict
        JSON schema (draft 2020-12); defaults are defined only there.

    Returns
    -------
    dict
        A complete config.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    complete: dict[str, Any] = _fill(copy.deepcopy(config), schema)
    allowed = _allow_sequences(_allow_variants(schema, complete.get("variants")), complete.get("dataset"))
    mistake = _find_mistake(complete, allowed)
    if mistake is not None:
        raise SettingsError(_explain(mistake))
    return complete


def fit_layout(config: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Adapt the config to single 2-D pictures without known patients (layout images); others are left unchanged.

    Parameters
    ----------
    config : dict
        From `resolve_config`.
    given : dict
        The config as the user wrote it; only explicit settings are refused.

    Returns
    -------
    dict
        The config; for pictures it has no segmentation and no template, and the target is the folder name.

    Raises
    ------
    SettingsError
        One line for the first setting that is impossible with pictures.
    """
    if config["dataset"]["layout"] != "images" or config["dataset"]["sequences"]:
        return config
    asked, config = given.get("experiment", {}), copy.deepcopy(config)
    if asked.get("segmentation", {}).get("strategies"):
        raise SettingsError(
            "config: experiment.segmentation.strategies: layout images has no outlines of tumours to learn from; "
            "leave it out, and put the strategies under experiment.classification; for patients with masks see "
            "dataset.sequences"
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
    spans = [wanted, *wanted["also"]]
    if any({"sites", "between"} & set(span["splits"]) for span in spans):
        raise SettingsError(
            "config: experiment.classification.splits: layout images has folds only, and the control splits"
        )
    config["experiment"]["segmentation"]["strategies"] = []
    config["register_scans"]["template"] = "none"
    config["report"]["title"] = given.get("report", {}).get("title", "Does transfer learning help on these pictures?")
    # a picture is a slice
    wanted["unit"] = "slice"
    if wanted["target"] == "tumour-slice":
        wanted["target"] = "class"
    return config


def _fill(value: Any, schema: Mapping[str, Any]) -> Any:
    """Add missing keys that have a default, level by level."""
    if isinstance(value, list):
        return [_fill(item, schema.get("items", {})) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    filled = cast("dict[str, Any]", value)
    # of blocks by names of the user's own, each has the defaults of their schema
    others = schema.get("additionalProperties")
    if isinstance(others, dict):
        named = [key for key in filled if key not in schema.get("properties", {})]
        filled |= {key: _fill(filled[key], cast("dict[str, Any]", others)) for key in named}
    for key, inner in schema.get("properties", {}).items():
        if key not in filled and "default" in inner:
            filled[key] = copy.deepcopy(inner["default"])
        if key in filled:
            filled[key] = _fill(filled[key], inner)
    return filled


def _find_mistake(config: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return jsonschema's best match among the validation errors, or None; jsonschema does not type them."""
    from jsonschema import Draft202012Validator, exceptions, validators

    # JSON Schema takes 1.0 for a whole number, and YAML knows numbers that are none (.nan, .inf)
    usual: Any = Draft202012Validator
    types = usual.TYPE_CHECKER.redefine("integer", _is_whole).redefine("number", _is_number)
    errors: Any = cast(Any, validators).extend(usual, type_checker=types)(schema)
    return cast(Any, exceptions).best_match(errors.iter_errors(config))


def _is_whole(_: Any, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_: Any, value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _allow_variants(schema: dict[str, Any], variants: object) -> dict[str, Any]:
    """Add the strategies defined in the config to those that the schema allows."""
    names = list(cast("dict[str, Any]", variants)) if isinstance(variants, dict) else []
    if not names:
        return schema
    schema = copy.deepcopy(schema)
    blocks = schema["properties"]
    lists = [task["properties"]["strategies"]["items"] for task in blocks["experiment"]["properties"].values()]
    peers = blocks["judge_masks"]["properties"]["peers"]["items"]
    for place in (*lists, blocks["deliver"]["properties"]["strategy"], peers):
        place["enum"] += [name for name in names if name not in place["enum"]]
    return schema


def _allow_sequences(schema: dict[str, Any], dataset: object) -> dict[str, Any]:
    """Add the sequences defined in the config to those that the schema allows."""
    names: Any = cast("dict[str, Any]", dataset).get("sequences") if isinstance(dataset, dict) else []
    if not isinstance(names, list) or not names:
        return schema
    schema = copy.deepcopy(schema)
    blocks = schema["properties"]
    channels = blocks["split_cohort"]["properties"]["sequences"]["oneOf"][1]
    for place in (blocks["import_scans"]["properties"]["reference"]["items"], channels["items"]):
        place["enum"] += [name for name in cast("list[Any]", names) if name not in place["enum"]]
    return schema


def _explain(mistake: Any) -> str:
    """Describe a validation error in one line that says what to do."""
    place = ".".join(str(part) for part in mistake.absolute_path) or "the top level"
    if mistake.validator == "additionalProperties":
        keys: list[str] = list(mistake.schema["properties"])
        wrong = sorted(set(cast("dict[str, Any]", mistake.instance)) - set(keys))[0]
        near = difflib.get_close_matches(wrong, keys, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known are {', '.join(keys)}"
        return f"config: unknown key '{wrong}' at {place}; {hint}"
    if mistake.validator == "enum":
        allowed = ", ".join(str(choice) for choice in mistake.validator_value)
        return f"config: {place} is {mistake.instance!r}; choose one of: {allowed}"
    if mistake.validator == "pattern":
        return f"config: {place}: '{mistake.instance}' cannot be a name; take {mistake.schema['description']}"
    return f"config: {place}: {mistake.message}; see config/README.md"
