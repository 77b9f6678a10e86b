"""Everything that a job prints, C++ libraries included, goes to the job's log."""

import os
import sys
from pathlib import Path


def send_to_log(path: str | Path) -> None:
    """Redirect this process's stdout and stderr to a file for the rest of its life.

    The descriptors are replaced, not only `sys.stdout`, since ITK, greedy and torch write to them
    directly; a traceback that ends the process therefore lands in the log too.

    Parameters
    ----------
    path : str or Path
        The log; an older one is replaced. Its folder is made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.close(descriptor)


def log_line(line: str) -> None:
    """Write a line on the job's progress to its log."""
    print(line, file=sys.stderr, flush=True)
