"""The cluster profiles on a real Slurm, which is started on this machine and stopped again."""

import re
import shutil
import subprocess
import sys
import time

import pytest

from helpers.running import ROOT, environment, fingerprints, snakemake

needs_slurm = pytest.mark.skipif(shutil.which("sbatch") is None, reason="needs slurm-wlm and munge")

pytestmark = [pytest.mark.long, pytest.mark.ci, needs_slurm]

# this Slurm keeps no accounts, and is asked more often than a shared one should be
HERE = ("--slurm-status-command", "squeue", "--slurm-init-seconds-before-status-checks", 2, "--latency-wait", 5)
SLURM = ("--profile", ROOT / "config/profiles/slurm", *HERE)
TINY = ("--configfile", ROOT / "config/tiny.yaml")
# hungry runs out of memory once, slow runs out of time once, stuck waits to be cancelled
TROUBLES = """
rule hungry:
    output: "hungry"
    log: "hungry.log"
    resources:
        mem_mb=lambda wildcards, attempt: 400 * attempt,
        runtime=5,
    shell: "{PYTHON} -c 'import time; x = bytearray(400_000_000); time.sleep(5)' > {log} 2>&1; touch {output}"

rule slow:
    output: "slow"
    log: "slow.log"
    resources:
        mem_mb=400,
        runtime=lambda wildcards, attempt: 2 * attempt - 1,
    shell: "sleep 100; touch {output}"

rule stuck:
    output: "stuck"
    log: "stuck.log"
    retries: 0
    resources:
        mem_mb=400,
        runtime=5,
        gpu=1,
    shell: "echo waiting for the scanner > {log}; sleep 280; touch {output}"
"""


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """A Slurm of one node with two cores or more, 20 GB and something that is called a GPU."""
    folder = tmp_path_factory.mktemp("slurm")
    started = subprocess.run([ROOT / "tests/slurm.sh", "start", folder], capture_output=True, text=True)
    if "is there already" in started.stderr:
        pytest.skip(started.stderr)
    assert started.returncode == 0, started.stderr
    yield folder
    subprocess.run([ROOT / "tests/slurm.sh", "stop", folder], check=True)


def queue(*fields, state="all"):
    """What Slurm knows of its jobs, a list of fields for each."""
    wanted = ",".join(f"{name}:400|" for name in fields)
    command = ["squeue", "--noheader", f"--states={state}", f"--Format={wanted}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [[field.strip() for field in line.split("|")[:-1]] for line in said.splitlines()]


def begin(folder, *arguments):
    """Run the troubles in the background."""
    text = TROUBLES.replace("{PYTHON}", sys.executable)
    (folder / "Snakefile").write_text(text)
    command = [sys.executable, "-m", "snakemake", "--snakefile", "Snakefile", *arguments, *SLURM]
    told = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": environment()}
    return subprocess.Popen(list(map(str, command)), cwd=folder, **told)


def test_a_job_out_of_memory_is_tried_again_with_more_and_a_cancelled_one_is_reported_with_its_log(slurm, tmp_path):
    run = begin(tmp_path, "hungry", "stuck")
    waiting = []
    until = time.monotonic() + 120
    while not waiting and time.monotonic() < until:
        time.sleep(1)
        jobs = queue("jobid", "comment", "tres-per-job", state="running")
        waiting = [row for row in jobs if row[1] == "rule_stuck" and (tmp_path / "stuck.log").exists()]
    ((number, _, asked),) = waiting
    assert asked == "gres:gpu:1"
    subprocess.run(["scancel", number], check=True)
    said, _ = run.communicate(timeout=300)
    assert run.returncode == 1
    assert (tmp_path / "hungry").exists() and not (tmp_path / "stuck").exists()
    asked = [memory for comment, memory in queue("comment", "minmemory") if comment == "rule_hungry"]
    assert sorted(asked) == ["400M", "800M"]
    assert f"SLURM-job '{number}' failed, SLURM status is: 'CANCELLED'" in said
    assert "stuck.log" in said and "waiting for the scanner" in said


def test_a_job_out_of_time_is_tried_again_with_more(slurm, tmp_path):
    run = begin(tmp_path, "slow")
    said, _ = run.communicate(timeout=600)
    assert run.returncode == 0, said
    assert "SLURM status is: 'TIMEOUT'" in said
    assert (tmp_path / "slow").exists()
    asked = [limit for comment, limit in queue("comment", "timelimit") if comment == "rule_slow"]
    assert sorted(asked) == ["1:00", "3:00"]


def test_subjects_are_imported_in_one_cluster_job_to_the_bytes_of_a_local_run(slurm, finished, tmp_path):
    subjects = ("phantom001", "phantom002")
    before = len(queue("jobid"))
    targets = [f"results/work/sub-{name}/status.json" for name in subjects]
    snakemake(tmp_path, *SLURM, *TINY, targets=targets)
    assert len(queue("jobid")) == before + 1
    for name in subjects:
        here, there = (folder / f"results/work/sub-{name}" for folder in (tmp_path, finished))
        found = fingerprints(here, [tmp_path])
        local = fingerprints(there, [finished])
        assert len(found) > 4 and found.items() <= local.items()


def test_the_generic_profile_submits_by_whatever_command_it_is_given(slurm, tmp_path):
    submit = "sbatch --parsable --mem={resources.mem_mb} --time={resources.runtime} --cpus-per-task={threads}"
    profile = ("--profile", ROOT / "config/profiles/cluster-generic", "--cluster-generic-submit-cmd", submit)
    (tmp_path / "Snakefile").write_text(
        'rule tell:\n    output: "told"\n    threads: 2\n    resources: mem_mb=300, runtime=4\n'
        '    shell: "echo $SLURM_JOB_ID > {output}"\n'
    )
    command = [sys.executable, "-m", "snakemake", "--latency-wait", 5, *profile]
    subprocess.run(list(map(str, command)), cwd=tmp_path, check=True, capture_output=True)
    number = (tmp_path / "told").read_text().strip()
    asked = {row[0]: row[1:] for row in queue("jobid", "minmemory", "timelimit", "numcpus")}
    assert asked[number] == ["300M", "4:00", "2"]


def test_the_whole_tiny_configuration_gives_the_bytes_of_a_local_run(slurm, finished, tmp_path):
    """Minutes: every rule as a cluster job, a subject's preprocessing in one, a GPU for training alone."""
    before = {row[0] for row in queue("jobid")}
    snakemake(tmp_path, *SLURM, *TINY)
    here, there = fingerprints(tmp_path / "results", [tmp_path]), fingerprints(finished / "results", [finished])
    assert here.keys() == there.keys()
    assert {name for name in there if here[name] != there[name]} == set()
    jobs = [row[1:] for row in queue("jobid", "comment", "tres-per-job", "state") if row[0] not in before]
    assert {state for *_, state in jobs} == {"COMPLETED"}
    # Snakemake ends the name of a group of more than five rules with three dots
    steps = [re.match(r"rule_([a-z_.]+?)(_wildcards_|$)", comment)[1] for comment, *_ in jobs]
    assert sum("strip_skull" in step for step in steps) == 4
    trained = [asked == "gres:gpu:1" for _, asked, _ in jobs]
    assert trained == [step in ("train_network", "plan_experiment") for step in steps]
