"""Write files atomically, and read and write JSON."""

import glob
import json
import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import numpy as np


@contextmanager
def whole(path: str | Path) -> Generator[Path]:
    """Yield a temporary path beside `path` and rename it onto `path` only on success.

    A killed job therefore never leaves a file or folder that looks finished.

    Parameters
    ----------
    path : str or Path
        The final name; its parent is created. The temporary name keeps the suffixes, because image writers choose the
        format by them. It does not exist yet: the caller creates it as a file or folder.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    prefix = f".part-{path.name}-"
    for left in path.parent.glob(f"{glob.escape(prefix)}*"):
        # left by a killed job; no other job writes this path
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=prefix) as folder:
        part = Path(folder) / path.name
        yield part
        if path.is_dir() and part.is_dir():
            path.rename(Path(folder) / "replaced")
        os.replace(part, path)


def write_json(path: str | Path, value: object) -> None:
    """Write `value` atomically as indented JSON."""
    with whole(path) as part:
        part.write_text(json.dumps(value, indent=2, ensure_ascii=False, default=_plain) + "\n", encoding="utf-8")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def _plain(value: object) -> Any:
    """Convert NumPy scalars, arrays and paths to types that JSON supports."""
    if isinstance(value, (np.generic, np.ndarray)):
        return cast(Any, value).tolist()
    return str(value)
