"""Freed memory is kept by the process, where the C library can, and lies in large pages, where the system can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[2] / "scripts"

LARGE = Path("/sys/kernel/mm/transparent_hugepage/enabled")
CODE = """
import re, resource, sys
import numpy as np
from neurograft.execution import memory
kept = memory.keep_freed_memory() if sys.argv[1] == "keep" else False
for _ in range(3):
    np.ones(2**22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(2**22)
count = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
held = np.ones(2**24)
maps = open("/proc/self/smaps").read() if sys.platform == "linux" else ""
print(kept, count, sum(map(int, re.findall(r"\\[heap\\].*?AnonHugePages: +(\\d+)", maps, re.S))))
"""


def words_of(code, *arguments):
    """What a process of its own prints."""
    # NumPy asks for large pages itself, torch does not
    environment = os.environ | {"PYTHONPATH": str(LIBRARY), "NUMPY_MADVISE_HUGEPAGE": "0"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.split()


def run(way):
    """Page faults of fifty arrays of 32 MB made one after another in a process of its own, and kB in large pages."""
    kept, count, large = words_of(CODE, way)
    if kept != str(way == "keep"):
        pytest.skip("this C library has no mallopt")
    return int(count), int(large)


def test_memory_is_not_fetched_anew_for_every_array():
    assert run("keep")[0] < 0.1 * run("leave")[0]


def test_an_array_lies_in_large_pages():
    if not LARGE.exists() or "[never]" in LARGE.read_text():
        pytest.skip("this system has no large pages to give")
    # of 128 MB all but the ends
    assert run("keep")[1] > 2**16


def test_without_addresses_to_spare_the_memory_is_kept_all_the_same():
    limited = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**29, 2**29))\n"
    code = limited + "from neurograft.execution import memory; memory.keep_freed_memory(); print(len(bytearray(2**20)))"
    assert words_of(code) == [str(2**20)]
