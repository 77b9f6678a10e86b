"""One environment, told three ways from one lock; at run time it is only read, and needs no network."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.running import ROOT, fingerprints, snakemake

ENVS = ROOT / "envs"
CONDA, DOCKER, APPTAINER = ENVS / "environment.yaml", ENVS / "Dockerfile", ENVS / "neurograft.def"
LOCK = {
    canonicalize_name(name): version
    for name, version in re.findall(r"^([^#\s]+)==(\S+)$", (ENVS / "requirements.lock").read_text(), re.MULTILINE)
}
TINY = ("--configfile", ROOT / "config/tiny.yaml")
# every place is mounted over itself, to be read only, in a namespace that has no network interface
SEAL = """
while [ "$1" != -- ]; do mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 1; shift; done
shift
exec "$@"
"""


def sealed(*places):
    """The words before a command that has no network and can only read some places."""
    # root is asked for by name only where it is not had already
    root = [] if os.geteuid() == 0 else ["--map-root-user"]
    return ["unshare", "--net", "--mount", *root, "sh", "-c", SEAL, "sh", *map(str, places), "--"]


def can_seal():
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*sealed(ROOT / "tests"), "true"], capture_output=True).returncode == 0


needs_namespaces = pytest.mark.skipif(not can_seal(), reason="this kernel allows no network and mount namespaces")


def test_the_lock_holds_what_is_asked_for_and_agrees_with_itself():
    lines = (ENVS / "requirements.in").read_text().splitlines()
    wanted = [Requirement(line) for line in lines if line and not line.startswith("#")]
    for name in LOCK:
        needs = map(Requirement, importlib.metadata.requires(name) or [])
        wanted += [need for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    # a compiler's companions of the CUDA build, and what every venv has, are not in it
    known = [need for need in wanted if canonicalize_name(need.name) in LOCK]
    assert [str(need) for need in known if not need.specifier.contains(LOCK[canonicalize_name(need.name)])] == []
    assert {canonicalize_name(need.name) for need in wanted} - set(LOCK) <= {"setuptools", "triton"}


def test_what_is_installed_is_what_the_lock_says():
    found = {name: importlib.metadata.version(name).split("+")[0] for name in LOCK}
    assert found == LOCK


def test_conda_and_containers_take_every_version_from_the_lock():
    conda = yaml.safe_load(CONDA.read_text())["dependencies"]
    assert conda[2:] == [{"pip": ["--requirement requirements.lock"]}] and conda[1] == "pip"
    python = conda[0].removeprefix("python=")
    base = f"docker.io/library/python:{python}-slim-bookworm"
    assert f"ARG BASE={base}\nFROM ${{BASE}}\n" in DOCKER.read_text()
    assert f"From: {base}\n" in APPTAINER.read_text()
    assert f'requires-python = ">={python}"' in (ROOT / "pyproject.toml").read_text()
    for recipe in (DOCKER, APPTAINER, ROOT / "Makefile"):
        text = recipe.read_text()
        assert "envs/install.sh" in text and not re.search(r"==\d", text)


def test_both_containers_hold_the_same_files_and_start_snakemake():
    docker, apptainer = DOCKER.read_text(), APPTAINER.read_text()
    copied = set(re.findall(r"^COPY (\w+)", docker, re.MULTILINE))
    listed = set(re.findall(r"^    (\w+) /opt/neurograft/\1$", apptainer, re.MULTILINE))
    allowed = set(re.findall(r"^!(\w+)$", (ENVS / "Dockerfile.dockerignore").read_text(), re.MULTILINE))
    assert copied == listed == allowed == {"Snakefile", "config", "envs", "scripts", "workflow"}
    assert 'ENTRYPOINT ["snakemake", "--snakefile", "/opt/neurograft/Snakefile"]' in docker
    assert 'exec snakemake --snakefile /opt/neurograft/Snakefile "$@"' in apptainer


def run_sealed(folder, monkeypatch, **options):
    """Run the tiny configuration without a network, where the code, the environment and the home are only read."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    inside = sealed(ROOT, Path(sys.prefix).resolve(), Path.home())
    look = "import socket, sys; print(socket.if_nameindex()); open(sys.prefix + '/written', 'w')"
    seen = subprocess.run([*inside, sys.executable, "-c", look], capture_output=True, text=True)
    assert seen.stdout == "[(1, 'lo')]\n" and "Read-only file system" in seen.stderr
    return snakemake(folder, "--cores", 2, *TINY, inside=inside, **options)


@needs_namespaces
def test_a_subject_is_imported_without_network_where_only_the_working_directory_is_written(
    finished, tmp_path, monkeypatch
):
    run_sealed(tmp_path, monkeypatch, targets=["results/work/sub-phantom001/status.json"])
    here, there = fingerprints(tmp_path / "results", [tmp_path]), fingerprints(finished / "results", [finished])
    assert len(here) > 4 and here.items() <= there.items()


@needs_namespaces
@pytest.mark.long
def test_the_whole_tiny_configuration_needs_no_network(finished, tmp_path, monkeypatch):
    run_sealed(tmp_path, monkeypatch)
    here, there = fingerprints(tmp_path / "results", [tmp_path]), fingerprints(finished / "results", [finished])
    assert here == there
    # fonts that matplotlib found are kept with the work, not looked for anew by every job
    assert list(tmp_path.glob(".snakemake/matplotlib/fontlist*"))
    assert not any("not a writable" in path.read_text() for path in tmp_path.glob("results/logs/**/*.log"))
