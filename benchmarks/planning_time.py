"""Measure what planning costs: processor seconds and peak memory of `snakemake -n`.

    python benchmarks/planning_time.py FINISHED SCRATCH 100 1000 10000

FINISHED is the working directory of a finished run of `config/tiny.yaml` (`tests/helpers/make_cohort.py`). For each
number of subjects three states are planned: imported and nothing else, finished, and one subject added. Prints rows
for the table of `docs/explanation/scaling.md`, with the jobs that were planned.
"""

import shutil
import sys
from pathlib import Path

from helpers.make_cohort import copy_run
from helpers.plan_time import plan


def measure(finished, folder, subjects):
    """Print a row for each state of a cohort of so many subjects."""
    for state, done, added in (("imported", 0, subjects), ("finished", subjects, 0), ("one added", subjects - 1, 1)):
        copy_run(finished, folder, done, added)
        seconds, megabytes, jobs = plan(folder, subjects)
        planned = ", ".join(f"{count} {rule}" for rule, count in jobs.items() if rule != "total")
        print(f"| {subjects:,} | {state} | {seconds:.1f} | {megabytes:,.0f} | {planned or 'nothing'} |", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    print("| subjects | state | processor seconds | peak MB | jobs planned |\n|---|---|---|---|---|")
    for number in sys.argv[3:]:
        measure(sys.argv[1], Path(sys.argv[2]), int(number))
