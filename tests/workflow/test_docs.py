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
    layouts = "`bids`, `brats`, `dicom`, `table`, `decathlon`, `images`, `phantom`"
    assert f"| `dataset.layout` | one of {layouts} | *required* |" in text
    assert "| `experiment.segmentation.n` | list of `all` or integer, at least 1 | `[all]` |" in text
    assert "| `split_cohort.sequences` | `auto` or list of one of `t1`, `t1c`, `t2`, `flair` | `auto` |" in text


def test_every_strategy_source_metric_and_target_is_there(hooks):
    strategies = SCHEMA["properties"]["deliver"]["properties"]["strategy"]["enum"]
    assert all(f"| `{name}` |" in hooks.generate("strategies") for name in strategies)
    with open(ROOT / "config/sources.tsv", newline="") as lines:
        assert all(f"| `{row['name']}` |" in hooks.generate("sources") for row in csv.DictReader(lines, delimiter="\t"))
    assert all(f"| `{name}` |" in hooks.generate("metrics") for name in ("dice", "hd95", "auc", "brier"))
    assert all(f"| `{name}` |" in hooks.generate("scores") for name in ("logme", "leep", "cc-fv"))
    assert all(f"| `{name}` |" in hooks.generate("targets") for name in ("all", "share", "plan", "recommend"))
    assert "results/evaluation/comparison.tsv" in hooks.generate("outputs")


def test_a_marker_is_replaced_and_an_unknown_one_is_an_error(hooks):
    page = hooks.on_page_markdown("before\n<!-- generated: strategies -->\n*Made when built.*\n\nafter", page=None)
    assert "`lp-ft`" in page and "Made when built" not in page and page.endswith("\n\nafter")
    with pytest.raises(hooks.MissingPartError, match="unknown marker 'keys'"):
        hooks.on_page_markdown("<!-- generated: keys -->")


def test_every_marker_of_the_pages_is_known(hooks):
    names = [name for page in (ROOT / "docs").rglob("*.md") for name in hooks.MARKER.findall(page.read_text())]
    assert sorted(names) == sorted(hooks.PARTS), "each part stands on one page"
