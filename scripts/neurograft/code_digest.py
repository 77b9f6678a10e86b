"""A digest of the code that a step runs, so that a changed library module reruns its steps.

Snakemake reruns a rule when its script changes, but knows nothing of the modules that the script
imports. The rules therefore carry this digest as a parameter. It is made from syntax trees without
docstrings: a comment, a blank line or a better explanation reruns nothing.
"""

import ast
import hashlib
from functools import lru_cache
from pathlib import Path

PACKAGE = Path(__file__).parent


def code_digest(script):
    """Digest a script together with every `neurograft` module it imports, transitively.

    Parameters
    ----------
    script : str or Path

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    todo, seen = [Path(script).resolve()], {}
    while todo:
        path = todo.pop()
        if path not in seen:
            text, imported = _read_module(path)
            seen[path] = text
            todo.extend(imported)
    return hashlib.sha256("\n".join(sorted(seen.values())).encode()).hexdigest()[:16]


@lru_cache
def _read_module(path):
    """Give a module's syntax tree as text, and the files of the package's modules it imports."""
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
    files = [PACKAGE / f"{name.split('.')[1]}.py" for name in names if name.startswith("neurograft.")]
    return ast.dump(tree), sorted(file for file in set(files) if file.exists())


def _drop_docstring(node):
    """Remove a docstring from a syntax tree in place."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        node.body[0] = ast.Expr(ast.Constant(None))
