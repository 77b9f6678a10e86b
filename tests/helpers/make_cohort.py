"""Make a finished run of any number of subjects out of a small finished one, without computing anything.

    python tests/helpers/make_cohort.py FINISHED FOLDER SUBJECTS [ADDED]

FINISHED is the working directory of a finished run of `config/tiny.yaml`. Its first subject is copied under the
names of SUBJECTS simulated ones: every output that Snakemake knows of as an empty file or folder with the same
time, with its record of rule, inputs, parameters and checksums. ADDED more have only been imported since, and
stand in the cohort's table. So the real Snakefile plans a cohort of any size from the state that a real run would
have left (`benchmarks/planning_time.py`).

FINISHED may also be a run of scans that lie in files, as most cohorts do: of a table `scans.tsv` in it (`scan_table`).
"""

import base64
import json
import os
import shutil
import sys
import time
from pathlib import Path

FIRST = "phantom001"
KINDS = ("t1", "t1c", "t2", "flair", "labels")
IMPORTING = ("simulate_subject", "import_scans", "gather_cohort")
STAMP = ".snakemake_timestamp"
SCANS = "scans.tsv"


def copy_run(finished, folder, subjects, added=0):
    """Make a folder in which a run of so many subjects has finished, and of so many more only the import.

    Parameters
    ----------
    finished, folder : str or Path
        Working directories: of a finished run of simulated subjects, and of the one to be made.
    subjects, added : int
        With no subjects but added ones, nothing has run after the checkpoint.
    """
    finished, folder = Path(finished), Path(folder)
    names = [f"phantom{number:03d}" for number in range(1, subjects + added + 1)]
    known = [path.name.removeprefix("sub-") for path in (finished / "results/work").glob("sub-*")]
    others = [f"sub-{name}" for name in known if name != FIRST]
    now = time.time_ns()
    for path, record in read_records(finished / ".snakemake/metadata").items():
        # what was temporary is gone
        if not (finished / path).exists() or any(name in path for name in others):
            continue
        imported = record["rule"] in IMPORTING
        fresh = now + IMPORTING.index(record["rule"]) if imported else now
        text = json.dumps(record).replace(f"'subjects': {len(known)},", f"'subjects': {len(names)},")
        if f"sub-{FIRST}" in path:
            for number, name in enumerate(names if imported else names[:subjects]):
                when = read_time(finished / path) if number < subjects else fresh
                leave(folder, path.replace(FIRST, name), text.replace(FIRST, name), when, finished / path)
        elif imported or subjects:
            record = widen(json.loads(text), names if imported else names[:subjects], others)
            when = fresh if record["rule"] == IMPORTING[-1] and added else read_time(finished / path)
            leave(folder, path, json.dumps(record), when, finished / path)
    write_table(finished, folder, names)
    if (finished / SCANS).exists():
        copy_scans(finished, folder, names)


def scan_table(finished, folder):
    """Make a working directory of scans in files out of a finished run's simulated ones: copies, and their table."""
    folder, rows = Path(folder), []
    for path in sorted(Path(finished, "results/simulated").glob("sub-*")):
        name = path.name.removeprefix("sub-")
        shutil.copytree(path, folder / "scans" / name)
        rows.append([name, *(f"scans/{name}/{kind}.nii.gz" for kind in KINDS)])
    lines = ["\t".join(row) for row in [["participant_id", *KINDS], *rows]]
    (folder / SCANS).write_text("\n".join(lines) + "\n")


def copy_scans(finished, folder, names):
    """Leave an empty file for each of the first subject's scans under every name, as old, and their table."""
    header, *rows = (finished / SCANS).read_text().splitlines()
    first = next(row for row in rows if row.startswith(f"{FIRST}\t"))
    (folder / SCANS).write_text("\n".join([header, *(first.replace(FIRST, name) for name in names)]) + "\n")
    for scan in first.split("\t")[1:]:
        when = (finished / scan).stat().st_mtime_ns
        for name in names:
            path = folder / scan.replace(FIRST, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
            os.utime(path, ns=(when, when))


def read_records(folder):
    """Read what Snakemake remembers of every output: path to record."""
    records = {}
    for place, _, files in os.walk(folder):
        for file in files:
            coded = "".join(part.removeprefix("@") for part in (Path(place) / file).relative_to(folder).parts)
            records[base64.urlsafe_b64decode(coded).decode()] = json.loads((Path(place) / file).read_text())
    return records


def read_time(output):
    """Say when an output was made; a folder's time is that of a file that Snakemake puts into it."""
    return (output / STAMP if output.is_dir() else output).stat().st_mtime_ns


def widen(record, names, others):
    """Give a group's record the inputs of so many subjects instead of its own."""

    def spread(path):
        if f"sub-{FIRST}" in path:
            return [path.replace(FIRST, name) for name in names]
        return [] if any(name in path for name in others) else [path]

    sums = {new: value for old, value in record["input_checksums"].items() for new in spread(old)}
    return record | {"input": sorted(new for old in record["input"] for new in spread(old)), "input_checksums": sums}


def leave(folder, path, record, when, like):
    """Leave an empty output of the same kind as another, with its time and its record."""
    made = folder / path / STAMP if like.is_dir() else folder / path
    coded = base64.urlsafe_b64encode(path.encode()).decode()
    parts = [coded[start : start + 254] for start in range(0, len(coded), 254)]
    kept = Path(folder, ".snakemake/metadata", *[f"@{part}" for part in parts[:-1]], parts[-1])
    for file, content in ((made, ""), (kept, record)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    os.utime(made, ns=(when, when))


def write_table(finished, folder, names):
    """Give every subject the first one's row in the cohort's table."""
    table = folder / "results/cohort.tsv"
    header, *rows = (finished / "results/cohort.tsv").read_text().splitlines()
    first, when = next(row for row in rows if row.startswith(f"{FIRST}\t")), table.stat().st_mtime_ns
    table.write_text("\n".join([header, *(first.replace(FIRST, name) for name in names)]) + "\n")
    os.utime(table, ns=(when, when))


if __name__ == "__main__":
    copy_run(sys.argv[1], sys.argv[2], *map(int, sys.argv[3:]))
