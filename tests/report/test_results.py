"""What the report reads back is what the steps wrote."""

import math

from neurograft import __version__
from neurograft.core import tables
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
