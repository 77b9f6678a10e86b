"""How long Snakemake plans."""

import os
import re
import subprocess
import sys
from pathlib import Path

from helpers.make_cohort import SCANS

ROOT = Path(__file__).parents[2]


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
