"""Measure what planning costs: processor seconds and peak memory of `snakemake -n`.

    python tests/measure_planning.py FINISHED SCRATCH 100 1000 10000

FINISHED is the working directory of a finished run of `config/tiny.yaml` (`tests/make_cohort.py`). For each number of
subjects three states are planned: imported and nothing else, finished, and one subject added. Prints rows for the
table of `docs/explanation/scaling.md`, with the jobs that were planned.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from make_cohort import SCANS, copy_run

ROOT = Path(__file__).parents[1]


def plan(folder, subjects, *targets):
    """Plan a run; give processor seconds, peak megabytes and the number of jobs of each rule."""
    # the interpreter's path goes into the template's, and so into what a record holds
    command = [os.path.abspath(sys.executable), "-m", "snakemake", *targets, "-n", "--quiet", "rules"]
    command += ["--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    real = "layout: table, root: scans.tsv" if (folder / SCANS).exists() else f"subjects: {subjects}"
    (folder / "size.yaml").write_text(f"dataset: {{{real}}}\n")
    command += ["--configfile", str(ROOT / "config/tiny.yaml"), str(folder / "size.yaml")]
    with open(folder / "plan.log", "w+") as log:
        child = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        log.seek(0)
        text = log.read()
    if status:
        raise RuntimeError(text[-4000:])
    jobs = {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", text, re.MULTILINE)}
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, jobs


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
