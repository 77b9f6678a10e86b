"""Runs that are killed, jobs that are killed, a disk that is full: nothing half-written is taken for whole."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from helpers.running import ROOT, TIMES, environment, fingerprints, snakemake

pytestmark = pytest.mark.long

TINY = ("--configfile", ROOT / "config/tiny.yaml")
# one subject's preprocessing: six jobs
ONE = "results/work/sub-phantom001/space-MNI152/propose_candidates.json"
# what was killed leaves states of trainings that were never finished, temporary features whose last reader had ended,
# and nothing that a later step reads; Snakemake's own mark of a folder's time is put there after the job
LEFT = (*TIMES, "checkpoints", "pooled", ".snakemake_timestamp")


def start(folder, *targets):
    """Start a run as the leader of a session, so that all of its jobs can be found."""
    command = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(ROOT / "Snakefile")]
    command += ["--directory", str(folder), "--cores", "2", "--rerun-incomplete", *map(str, TINY)]
    with open(folder / "run.log", "a") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True, env=environment())


def kill(run):
    """Kill a run and all of its jobs at once, as a machine does that loses its power."""
    session = subprocess.run(["ps", "-o", "pid=", "-s", str(run.pid)], capture_output=True, text=True).stdout
    for process in map(int, session.split()):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    run.wait()


def kill_again_and_again(folder, moments, *targets):
    """Start a run, kill it after so many seconds, and so on, then let it end. Returns how often it was killed."""
    killed = 0
    for seconds in moments:
        run = start(folder, *targets)
        try:
            run.wait(timeout=seconds)
            break
        except subprocess.TimeoutExpired:
            kill(run)
            killed += 1
            snakemake(folder, "--unlock", *TINY)
    snakemake(folder, "--cores", 2, "--rerun-incomplete", *TINY, targets=targets)
    return killed


def compare(folder, finished, *, whole):
    """Compare a run's files with those of the run that nobody killed; all of them, or those that it made."""
    here, there = (fingerprints(run / "results", [run], LEFT) for run in (folder, finished))
    assert {name: value for name, value in here.items() if there.get(name) != value} == {}
    assert len(here) > 10 and (not whole or here.keys() == there.keys())


@pytest.mark.ci
def test_preprocessing_that_is_killed_goes_on_to_the_same_bytes(finished, tmp_path):
    """At three moments, the first of them while Snakemake still plans, or the first jobs run."""
    (tmp_path / "run.log").touch()
    assert kill_again_and_again(tmp_path, [6, 11, 9], ONE) == 3
    compare(tmp_path, finished, whole=False)


def test_a_run_that_is_killed_twenty_times_ends_in_the_same_bytes(finished, tmp_path):
    # short enough that twenty of them do not reach the end, long enough that most get some jobs done
    dice = random.Random(0)
    killed = kill_again_and_again(tmp_path, [dice.uniform(5, 16) for _ in range(20)])
    print(f"killed {killed} times")
    assert killed == 20
    compare(tmp_path, finished, whole=True)


@contextmanager
def small_disk(folder, megabytes):
    """A disk of so many megabytes; gives a function that gives it another size."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("needs the right to mount a small disk")
    try:
        yield lambda size: subprocess.run(["mount", "-o", f"remount,size={size}m", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_disk_is_said_and_nothing_is_corrupt(finished, tmp_path):
    with small_disk(tmp_path / "disk", 2) as resize:
        folder = tmp_path / "disk"
        said = snakemake(folder, "--cores", 2, *TINY, targets=[ONE], check=False)
        assert "what to try: free space on the disk of the results, then start again." in said
        resize(2000)
        snakemake(folder, "--cores", 2, "--rerun-incomplete", *TINY, targets=[ONE])
        compare(folder, finished, whole=False)


def find_job(log):
    """Give the process that writes a log, or None."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if os.readlink(link) == str(log):
                return int(link.parts[2])
        except OSError:
            continue  # it ended meanwhile
    return None


def test_with_keep_going_one_killed_job_stops_nobody_else_and_is_named(finished, tmp_path):
    """A job that the system kills for its memory looks like this: it dies without a word."""
    shutil.copytree(finished / "results/simulated", tmp_path / "results/simulated")
    log = tmp_path / "results/logs/strip_skull/sub-phantom002.log"
    run = start(tmp_path, "candidates", "--keep-going")
    while run.poll() is None:
        victim = find_job(log) if log.exists() else None
        if victim:
            os.kill(victim, signal.SIGKILL)
            break
        time.sleep(0.05)
    run.wait()
    said = (tmp_path / "run.log").read_text()
    assert run.returncode and "FAILED: strip_skull, subject phantom002" in said
    assert "probably killed from outside, most often for memory" in said
    made = {path.parents[1].name for path in tmp_path.glob("results/work/sub-*/space-*/propose_candidates.json")}
    assert made == {f"sub-phantom00{number}" for number in (1, 3, 4, 5, 6)}
    assert not re.search("Traceback", said)
