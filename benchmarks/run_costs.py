"""Tell what a finished run took, by rule and by subject, and what it foretells of larger cohorts.

    python benchmarks/run_costs.py RUN                # tables for docs/explanation/scaling.md
    python benchmarks/run_costs.py RUN BASIS CORES    # what RUN took on its cores, against what BASIS foretells

RUN and BASIS are working directories. Times are processor seconds of Snakemake's benchmarks, so that a busy machine
does not spoil them; a run is taken to keep its cores busy for a share of its time. Compared are the steps of each
subject before the trainings.
"""

import json
import sys
from pathlib import Path
from statistics import mean

from neurograft.core import tables

GROUPS = {"a laptop, 4 cores": 4, "a node, 32 cores": 32, "50 nodes, 1,600 cores": 1600}
SUBJECTS = 100, 1000, 10000
MISSING = ("", "NA", "-")
AFTER = ("deliver_segmentation",)
PER_JOB = 0.02  # seconds that Snakemake's own process takes for a job, one after another
# share of its time that a core computes: jobs have to start, and deepbet's two threads do not fill two cores; measured
# on 12 simulated subjects (docs/explanation/scaling.md)
BUSY = 0.69


def read_rules(run):
    """Give each rule's jobs: processor seconds and megabytes of each, and whether it is done for each subject."""
    rules = {}
    for path in sorted(Path(run, "results/benchmarks").glob("*/*.tsv")):
        for row in tables.read_table(path):
            rule = rules.setdefault(path.parent.name, {"seconds": [], "wall": [], "memory": [], "subject": False})
            rule["wall"].append(float(row["s"]))
            # a job that ends before the first measurement has but its time
            rule["seconds"].append(float(row["cpu_time"] if row["cpu_time"] not in MISSING else row["s"]))
            rule["memory"].append(float(row["max_rss"]) if row["max_rss"] not in MISSING else 0.0)
            rule["subject"] |= path.name.startswith("sub-")
    return rules


def measure_disk(run):
    """Give megabytes of a subject, the mean over all, by folder."""
    found = {}
    for folder in sorted(Path(run, "results").glob("*/sub-*")):
        for path in (path for path in folder.rglob("*") if path.is_file()):
            # work/sub-X/imported, work/sub-X/space-S/slices, derivatives/sub-X/anat
            parts = path.relative_to(folder).parts[:-1]
            place = "/".join((folder.parent.name, *parts))
            found.setdefault(place, {}).setdefault(folder.name, []).append(path.stat().st_size)
    return {place: mean(sum(sizes) for sizes in subjects.values()) / 1e6 for place, subjects in found.items()}


def measure_wall(run, rules):
    """Give the seconds from the first start to the last end of some rules' jobs, by Snakemake's records."""
    times = [json.loads(path.read_text()) for path in Path(run, ".snakemake/metadata").rglob("*") if path.is_file()]
    times = [record for record in times if record["rule"] in rules]
    return max(record["endtime"] for record in times) - min(record["starttime"] for record in times)


def foretell(rules, jobs, cores):
    """Foretell the seconds of so many jobs of some rules (dict of str to int) on so many cores."""
    work = sum(mean(rules[name]["seconds"]) * count for name, count in jobs.items())
    return max(work / BUSY / min(cores, *jobs.values()), sum(jobs.values()) * PER_JOB)


def report(run):
    """Print the tables."""
    rules = read_rules(run)
    print("| rule | jobs | processor seconds, mean | seconds, largest | memory, MB |\n|---|---|---|---|---|")
    for name, rule in sorted(rules.items(), key=lambda item: -mean(item[1]["seconds"])):
        taken = f"{mean(rule['seconds']):.1f} | {max(rule['wall']):.1f} | {max(rule['memory']):,.0f}"
        print(f"| {name} | {len(rule['wall'])} | {taken} |")
    print("\n| folder of a subject | MB |\n|---|---|")
    disk = measure_disk(run)
    for place, size in sorted(disk.items(), key=lambda item: -item[1]):
        print(f"| {place} | {size:.1f} |")
    print(f"| all | {sum(disk.values()):.1f} |")
    names = [name for name, rule in rules.items() if rule["subject"] and name != "simulate_subject"]
    print("\n| subjects | " + " | ".join(GROUPS) + " | disk, GB |\n|---|" + "---|" * (len(GROUPS) + 1))
    for subjects in SUBJECTS:
        jobs = dict.fromkeys(names, subjects)
        hours = [f"{foretell(rules, jobs, cores) / 3600:.2f} h" for cores in GROUPS.values()]
        print(f"| {subjects:,} | " + " | ".join(hours) + f" | {subjects * sum(disk.values()) / 1000:,.0f} |")


def compare(run, basis, cores):
    """Print what a run took and what another one foretells of it: the steps before the trainings."""
    rules, known = read_rules(run), read_rules(basis)
    names = [name for name, rule in rules.items() if rule["subject"] and name not in AFTER and name in known]
    jobs = {name: len(rules[name]["wall"]) for name in names}
    foretold, taken = foretell(known, jobs, cores), measure_wall(run, names)
    print(f"{', '.join(f'{count} {name}' for name, count in jobs.items())} on {cores} cores")
    print(f"foretold {foretold:.0f} s, took {taken:.0f} s: {taken / foretold:.2f} times")


if __name__ == "__main__":
    if len(sys.argv) == 4:
        compare(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        report(sys.argv[1])
