"""Runs of the real workflow, and what two of them must share."""

import csv
import hashlib
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

# times are the only thing that two runs may not share
TIMES = (
    "benchmarks",
    "logs",
    "report",
    "seconds.tsv",
    "processor.tsv",
    "times.tsv",
    "time_saved.tsv",
    "figures",
    "plan.json",
    "plan.txt",
    "recommendation.json",  # the price of each choice
    # hashes of records, which name their input files by absolute path
    "subjects.tsv",
)


def environment():
    """The environment of a user's run: without what `conftest.py` sets, and with compiled modules kept."""
    ours = ("OMP_", "PYTHONDONTWRITEBYTECODE")
    return {key: value for key, value in os.environ.items() if not key.startswith(ours)}


def snakemake(folder, *arguments, targets=(), check=True, repository=ROOT, inside=()):
    """Run the workflow with `folder` as its working directory, `inside` another command such as `unshare`."""
    # targets first: options such as --configfile take every word that follows
    command = [*inside, sys.executable, "-m", "snakemake", *targets, "--snakefile", str(repository / "Snakefile")]
    command += ["--directory", str(folder), "--show-failed-logs", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=repository, env=environment())
    text = done.stdout + done.stderr
    assert done.returncode == 0 or not check, text[-6000:]
    return text


def rows(path):
    """Read a TSV."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def fingerprints(results, places=(), skip=TIMES):
    """Hash every file of a results folder that must not depend on times."""
    files = sorted(path for path in results.rglob("*") if path.is_file())
    kept = [path for path in files if not set(path.relative_to(results).parts) & set(skip)]
    # records name their input files by absolute path: the place of the run is not a difference
    found = {}
    for path in kept:
        content = path.read_bytes()
        for place in places:
            content = content.replace(str(place).encode(), b"")
        found[str(path.relative_to(results))] = hashlib.sha256(content).hexdigest()
    return found
