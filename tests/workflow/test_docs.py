"""The generated part of the reference: every key, strategy, source, metric and target is in it."""

import csv
import importlib.util

import pytest
import yaml

from helpers.running import ROOT

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_key_is_there_with_its_default_and_meaning(hooks):
    lines = {line.split("`")[1]: line for line in hooks.generate("config").splitlines() if line.startswith("| `")}
    for key, inner, _ in hooks.list_keys(SCHEMA):
        assert inner["description"].strip() in lines.pop(key)
    assert not lines, "keys that the schema does not have"


def test_types_and_defaults_are_in_plain_words(hooks):
    text = hooks.generate("config")
    assert "| `register_scans.spacing` | `own` or number, 0.5 to 4 | `1.0` |" in text
    layouts = "`bids`, `brats`, `dicom`, `table`, `decathlon`, `images`, `phantom`, `eeg`"
    assert f"| `dataset.layout` | one of {layouts} | *required* |" in text
    assert "| `experiment.segmentation.n` | list of `all` or integer, at least 1 | `[all]` |" in text
    assert "| `split_cohort.sequences` | `auto` or list of one of `t1`, `t1c`, `t2`, `flair` | `auto` |" in text


def test_every_strategy_source_metric_and_target_is_there(hooks):
    strategies = SCHEMA["properties"]["deliver"]["properties"]["strategy"]["enum"]
    with open(ROOT / "config/sources.tsv", newline="") as lines:
        sources = [row["name"] for row in csv.DictReader(lines, delimiter="\t")]
    named = {
        "strategies": strategies,
        "sources": sources,
        "metrics": ("dice", "hd95", "auc", "brier"),
        "scores": ("logme", "leep", "cc-fv"),
        "targets": ("all", "share", "plan", "recommend"),
    }
    for part, names in named.items():
        text = hooks.generate(part)
        assert all(f"| `{name}` |" in text for name in names), part
    assert "results/evaluation/comparison.tsv" in hooks.generate("outputs")


def test_every_field_of_the_card_is_there_with_its_meaning(hooks):
    schema = yaml.safe_load((ROOT / "workflow/schemas/verdict_card.schema.yaml").read_text())
    question = schema["properties"]["questions"]["items"]
    levels = (schema, question, question["properties"]["arms"]["items"])
    fields = [(name, field) for level in levels for name, field in level["properties"].items()]
    lines = [line for line in hooks.generate("card").splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == [name for name, _ in fields]
    assert all(field["description"] in line for line, (_, field) in zip(lines, fields))


def test_a_marker_is_replaced_and_an_unknown_one_is_an_error(hooks):
    page = hooks.on_page_markdown("before\n<!-- generated: strategies -->\n*Made when built.*\n\nafter", page=None)
    assert "`lp-ft`" in page and "Made when built" not in page and page.endswith("\n\nafter")
    with pytest.raises(hooks.MissingPartError, match="unknown marker 'keys'"):
        hooks.on_page_markdown("<!-- generated: keys -->")


def test_every_marker_of_the_pages_is_known(hooks):
    names = [name for page in (ROOT / "docs").rglob("*.md") for name in hooks.MARKER.findall(page.read_text())]
    assert sorted(names) == sorted(hooks.PARTS), "each part stands on one page"
