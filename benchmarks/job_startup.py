"""Measure what each job's start costs: processor seconds, memory and heavy packages of the imports of its script.

    python benchmarks/job_startup.py

Prints a table in Markdown, for `docs/explanation/scaling.md`. The interpreter's own start is the row `(nothing)`.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"
HEAVY = (
    "torch",
    "monai",
    "ants",
    "nilearn",
    "scipy",
    "skimage",
    "SimpleITK",
    "sklearn",
    "pandas",
    "nibabel",
    "numpy",
    "PIL",
)
SAY = f"import sys; print(*[name for name in {HEAVY} if name in sys.modules])"


def measure(imports):
    """Run a script's imports alone; give processor seconds, peak megabytes, and which heavy packages came with them."""
    environment = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    child = subprocess.Popen([sys.executable, "-c", f"{imports}\n{SAY}"], stdout=subprocess.PIPE, env=environment)
    packages = child.stdout.read().decode().split()
    _, status, used = os.wait4(child.pid, 0)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, packages if status == 0 else ["FAILED"]


def read_imports(script):
    """Give the import lines of a script."""
    body = ast.parse(script.read_text(encoding="utf-8")).body
    return "\n".join(ast.unparse(line) for line in body if isinstance(line, ast.Import | ast.ImportFrom))


if __name__ == "__main__":
    wanted = sys.argv[1:] or ["(nothing)", *sorted(path.stem for path in SCRIPTS.glob("*.py"))]
    print("| script | processor seconds | peak MB | packages |\n|---|---|---|---|")
    for name in wanted:
        seconds, megabytes, packages = measure("" if name == "(nothing)" else read_imports(SCRIPTS / f"{name}.py"))
        print(f"| {name} | {seconds:.2f} | {megabytes:.0f} | {' '.join(packages)} |", flush=True)
