"""Freed memory is kept by the process, where the C library can."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LIBRARY = Path(__file__).parents[1] / "scripts"

CODE = """
import resource, sys
import numpy as np
from neurograft import memory
kept = memory.keep_freed_memory() if sys.argv[1] == "keep" else False
for _ in range(3):
    np.ones(2**22)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(2**22)
print(kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(way):
    """Page faults of fifty arrays of 32 MB made one after another in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(LIBRARY)}
    command = [sys.executable, "-c", CODE, way]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    kept, count = done.stdout.split()
    return kept == "True", int(count)


def test_memory_is_not_fetched_anew_for_every_array():
    kept, count = faults("keep")
    if not kept:
        pytest.skip("this C library has no mallopt")
    assert count < 0.1 * faults("leave")[1]
