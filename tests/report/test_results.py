"""The results that the report reads are those that the steps wrote."""

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace

import pytest

from neurograft import __version__
from neurograft.core import tables
from neurograft.core.files import write_json
from neurograft.report import results


def benchmark(folder, rule, name, seconds, memory):
    """Write a benchmark file as Snakemake does."""
    row = {"s": seconds, "h:m:s": "0:00:00", "max_rss": memory}
    tables.write_table(folder / rule / f"{name}.tsv", [row])


def test_runtimes_by_rule_the_costliest_first(tmp_path):
    for name, seconds in (("a", 1.0), ("b", 2.0), ("c", 6.0)):
        benchmark(tmp_path, "strip_skull", name, seconds, 100 * seconds)
    benchmark(tmp_path, "train_network", "x", 50.0, 900.0)
    first, second = results.read_runtimes(tmp_path)
    assert first["rule"] == "train_network"
    assert second == {
        "rule": "strip_skull",
        "jobs": 3,
        "seconds_median": 2.0,
        "seconds_max": 6.0,
        "memory_mb": 600.0,
    }


def test_a_job_too_short_to_be_measured_has_no_memory(tmp_path):
    benchmark(tmp_path, "gather_cohort", "x", 0.1, "-")
    (row,) = results.read_runtimes(tmp_path)
    assert math.isnan(row["memory_mb"])


def test_no_benchmarks_are_no_runtimes(tmp_path):
    assert results.read_runtimes(tmp_path / "absent") == []


def test_versions_name_this_software_and_its_engine():
    versions = results.read_versions()
    assert versions["neurograft"] == __version__
    assert versions["snakemake"] and versions["torch"]


CELL = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "space": "MNI152", "split": "folds"}


def test_results_are_frozen_and_what_follows_from_them_is_a_property():
    config = {"deliver": {"strategy": "lp-ft"}, "experiment": {"segmentation": {"sources": ["s", "t"]}}}
    made = results.Results(config=config, versions={"neurograft": "1.2"})
    assert (made.strategy, made.source, made.version) == ("lp-ft", "s", "1.2")
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.title = "another"
    empty = results.Results()
    assert (empty.strategy, empty.source, empty.version, empty.seen_in_pretraining) == ("", "", "", frozenset())


def test_the_main_results_are_those_of_the_primary_space_and_split():
    rows = [CELL, CELL | {"space": "native"}, CELL | {"split": "sites"}]
    made = results.Results(
        scores=rows, comparison=rows, times=rows, cells=rows, primary={"space": "MNI152", "split": "folds"}
    )
    assert made.main.scores == made.main.comparison == made.main.times == made.main.cells == [CELL]
    assert made.scores == rows


def test_who_pretrained_the_delivered_networks_is_known():
    config = {"deliver": {"strategy": "lp-ft"}, "experiment": {"segmentation": {"sources": ["s"]}}}
    cells = [CELL | {"pretrained_on": ["A", "B"]}, CELL | {"strategy": "frozen", "pretrained_on": ["C"]}, CELL]
    assert results.Results(config=config, cells=cells).seen_in_pretraining == {"A", "B"}


def test_every_table_of_the_rule_is_a_field_and_one_that_is_missing_is_empty(tmp_path):
    assert set(results.TABLES) <= {field.name for field in dataclasses.fields(results.Results)}
    for name in results.TABLES:
        tables.write_table(tmp_path / f"{name}.tsv", [{"of": name}])
    write_json(tmp_path / "splits.json", {"hash": "ab"})
    write_json(tmp_path / "recommendation.json", {"use": None})
    lists = {"cells": [], "figures": [], "volumes": [], "plan": [], "candidates": [], "imported": []}
    there = {name: tmp_path / f"{name}.tsv" for name in results.TABLES if name not in ("contrast", "intensities")}
    there |= {name: tmp_path / f"{name}.json" for name in ("splits", "recommendation")}
    files = SimpleNamespace(**there, **lists, contrast=[], intensities=[])
    made = results.read_results(
        files,
        tmp_path / "absent",
        config={"dataset": {"layout": "phantom"}, "report": {"title": "T"}},
        primary={"space": "MNI152"},
        sources=iter([{"name": "s"}]),
    )
    assert made.again == [{"of": "again"}] and made.contrast == made.intensities == [] and made.splits == {"hash": "ab"}
    assert (made.simulated, made.title, made.sources, made.plan) == (True, "T", [{"name": "s"}], {})


def test_the_rule_takes_every_template_and_every_text_so_that_a_changed_one_reruns_the_report():
    root = Path(__file__).parents[2]
    inputs = (root / "workflow/rules/report.smk").read_text()
    folder = root / "scripts/neurograft/report"
    # the pages of pooled verdicts and of EEG are no part of a report about scans
    templates = [path for path in (folder / "templates").iterdir() if not path.name.startswith(("pooled", "eeg"))]
    texts = [path.stem for path in folder.glob("*.yaml")]
    named = [*texts, *(path.name for path in templates)]
    assert len(named) == 15
    assert all(f'"{name}"' in inputs for name in named)


def test_folds_of_further_partitions_are_known_where_the_folds_are_judged():
    folds = [{"train": [], "test": [], "repeat": repeat} for repeat in (0, 0, 1, 1)]
    splits = {"tasks": {"segmentation": {"folds": folds}, "classification": {"folds": []}}}
    run = results.Results(splits=splits, primary={"space": "MNI152", "split": "folds"})
    assert run.repeats == {"2": 1, "3": 1}
    assert dataclasses.replace(run, primary={"space": "MNI152", "split": "sites"}).repeats == {}
    assert results.Results().repeats == {}
