"""A digest of the code that a step runs, so that a changed library module reruns its steps.

Snakemake reruns a rule when its script changes, but knows nothing of the modules that the script
imports. The rules therefore carry this digest as a parameter. It is made from syntax trees without
docstrings: a comment, a blank line or a better explanation reruns nothing.
"""

import ast
import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path

PACKAGE = Path(__file__).parent


def code_digest(script, known=None):
    """Digest a script together with every `neurograft` module it imports, transitively.

    Parameters
    ----------
    script : str or Path
    known : dict, optional
        What was read of modules before, which is added to.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    known = {} if known is None else known
    todo, seen = [Path(script).resolve()], {}
    while todo:
        path = todo.pop()
        if path not in seen and path.exists():
            digest, imported = _look_up(path, known)
            seen[path] = digest
            todo.extend(map(Path, imported))
    return hashlib.sha256("\n".join(sorted(seen.values())).encode()).hexdigest()[:16]


def digest_scripts(folder, memory):
    """Digest every script of a folder, and remember what was read, for reading it all takes half a second.

    Parameters
    ----------
    folder : str or Path
    memory : str or Path
        JSON file. A module is read again when its size or its time changed; a damaged memory is no memory.

    Returns
    -------
    dict of str to str
        Name of the script, without `.py`, to its digest.
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
    """Give a module's digest and the files of the modules it imports; read it only where it is not known as it is."""
    about = path.stat()
    found = known.get(str(path), {})
    if [found.get("size"), found.get("time")] != [about.st_size, about.st_mtime_ns]:
        digest, imported = _read_module(path)
        found = {"size": about.st_size, "time": about.st_mtime_ns, "digest": digest, "imports": imported}
        known[str(path)] = found
    return found["digest"], found["imports"]


def _read_module(path):
    """Give the digest of a module's syntax tree, and the files that the package's modules it imports would have."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "neurograft" + (f".{node.module}" if node.module else "") if node.level else node.module or ""
            names.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            _drop_docstring(node)
    files = {str(PACKAGE / f"{name.split('.')[1]}.py") for name in names if name.startswith("neurograft.")}
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()
    return digest, sorted(files)


def _drop_docstring(node):
    """Remove a docstring from a syntax tree in place."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body[0] = ast.Expr(ast.Constant(None))
