"""A digest of the code that a step runs, so that a changed library module reruns its steps.

Snakemake reruns a rule when its script changes, but knows nothing of the modules that the script
imports. The rules therefore carry this digest as a parameter. It is made from syntax trees without
docstrings: a comment, a blank line or a better explanation reruns nothing.
"""

import ast
import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parents[1]


class MissingModuleError(ImportError):
    """A module of `neurograft` is imported and does not exist."""


def code_digest(script: str | Path, known: dict[str, Any] | None = None) -> str:
    """Digest a script together with every `neurograft` module it imports, transitively.

    Parameters
    ----------
    script : str or Path
    known : dict, optional
        What was read of modules before, which saves reading them again; modules that are read now are added.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    MissingModuleError
        If a module that is imported does not exist: a digest that passed over it would not see its changes.
    """
    known = {} if known is None else known
    todo, digests = [Path(script).resolve()], {}
    while todo:
        path = todo.pop()
        if path not in digests:
            digests[path], imports = _look_up(path, known)
            todo.extend(file for name in imports for file in _find_files(name, path))
    return hashlib.sha256("\n".join(sorted(digests.values())).encode()).hexdigest()[:16]


def digest_scripts(folder: str | Path, memory: str | Path) -> dict[str, str]:
    """Digest every script of a folder. Reading them all takes half a second, so what was read is kept in a file.

    Parameters
    ----------
    folder : str or Path
    memory : str or Path
        JSON file. A module is read again when its size or its time changed; a damaged file is ignored.

    Returns
    -------
    dict of str to str
        Name of the script, without `.py`, to its digest.

    Raises
    ------
    MissingModuleError
        As `code_digest` does.
    """
    known, memory = {}, Path(memory)
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(memory.read_text(encoding="utf-8")))
    before = dict(known)
    digests = {path.stem: code_digest(path, known) for path in sorted(Path(folder).glob("*.py"))}
    if known != before:
        # where nothing may be written, everything is read each time
        with suppress(OSError):
            memory.parent.mkdir(parents=True, exist_ok=True)
            part = memory.with_suffix(f".{os.getpid()}")
            part.write_text(json.dumps(known), encoding="utf-8")
            part.replace(memory)
    return digests


def _look_up(path, known):
    """Return a module's digest and the names that it imports; read the file only if it changed."""
    about = path.stat()
    entry = known.get(str(path), {})
    if [entry.get("size"), entry.get("time")] != [about.st_size, about.st_mtime_ns] or "names" not in entry:
        digest, names = _read_module(path)
        entry = {"size": about.st_size, "time": about.st_mtime_ns, "digest": digest, "names": names}
        known[str(path)] = entry
    return entry["digest"], entry["names"]


def _read_module(path):
    """Return the digest of a module's syntax tree, and what it imports of the package.

    An import of `neurograft.room.module` is the name `neurograft.room.module`; `from neurograft.room import module` is
    `neurograft.room:module`, since only the files tell whether `module` is a module or a value of `room`.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.update(f"{_absolute(node, path)}:{alias.name}" for alias in node.names)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return digest, sorted(name for name in names if re.match(r"neurograft\b", name))


def _absolute(node, path):
    """Return the absolute name of what `from ... import` imports from."""
    if not node.level:
        return node.module
    package = path.relative_to(PACKAGE.parent).parts[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _find_files(name, importer):
    """Return the files that an imported name stands for: its module, and the `__init__.py` of each package above it."""
    base, _, value = name.partition(":")
    files, place = [], PACKAGE.parent
    for part in base.split("."):
        place = place / part
        files.append(place / "__init__.py" if place.is_dir() else place.with_suffix(".py"))
    if value and place.is_dir():
        if (place / value).is_dir():
            files.append(place / value / "__init__.py")
        elif (place / f"{value}.py").exists():
            files.append(place / f"{value}.py")
        elif not _defines(files[-1], value):
            raise MissingModuleError(f"{importer}: there is no module {base}.{value}")
    for file in files:
        if not file.exists():
            raise MissingModuleError(f"{importer}: there is no module {base} ({file} is missing)")
    # the library's own `__init__.py` holds its version, and a new version alone reruns nothing
    return [file for file in files if file != PACKAGE / "__init__.py"]


def _defines(path, value):
    """Return whether a package's `__init__.py` assigns a value, such as `__version__`."""
    if not path.exists():
        return False
    names = [
        target for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign) for target in node.targets
    ]
    return value in [target.id for target in names if isinstance(target, ast.Name)]


def _drop_docstring(node):
    """Remove a docstring from a syntax tree in place."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body[0] = ast.Expr(ast.Constant(None))
