"""What to say of jobs that failed: the rule, the subject, the end of the log, and what to try."""

import re
from pathlib import Path

LINES = 12  # of a log's end
MOST = 5  # failures that are told in full


def describe_failures(failed):
    """Say of each failed job what it was, how its log ends, and what to try.

    Parameters
    ----------
    failed : list of dict
        `rule`, `wildcards` (dict of str to str) and `logs` (paths) of each.

    Returns
    -------
    str
    """
    told = []
    for job in failed[:MOST]:
        said = [line for log in job["logs"] for line in read_end(log)]
        told.append(f"FAILED: {name_job(job)}")
        told += [f"  log: {', '.join(map(str, job['logs'])) or 'none'}", *(f"    {line}" for line in said)]
        told.append(f"  what to try: {advise(said)}")
    if len(failed) > MOST:
        told.append(f"... and {len(failed) - MOST} more: " + "; ".join(name_job(job) for job in failed[MOST:]))
    if failed:
        told.append("Finished work is kept: the same command goes on where this one stopped.")
    return "\n".join(told)


def name_job(job):
    """Name a job by its rule and its subject, or what else tells it from the rule's other jobs."""
    named = dict(job["wildcards"])
    subject = f"subject {named.pop('subject')}" if "subject" in named else ""
    rest = ", ".join(f"{name} {value}" for name, value in named.items())
    return ", ".join(part for part in (job["rule"], subject, rest) if part)


def read_end(path, lines=LINES):
    """Read the last lines of a log that are not blank; none where there is no log."""
    path = Path(path)
    if not path.is_file():
        return []
    text = path.read_bytes()[-20_000:].decode("utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def advise(lines):
    """Say what to try, by the end of a log; the first row of `ADVICE` that fits."""
    text = "\n".join(lines)
    return next(advice for pattern, advice in ADVICE if re.search(pattern, text))


# pattern in the end of a log, what to try; the last fits whatever the others do not
ADVICE = [
    (r"No space left on device|Disk quota exceeded", "free space on the disk of the results, then start again."),
    (
        r"MemoryError|Cannot allocate memory|std::bad_alloc|not enough memory|out of memory",
        "give the job more memory: fewer jobs at once (--cores, --resources mem_mb=...), a coarser "
        "register_scans: spacing, or a smaller train_network: batch.",
    ),
    (
        r"Permission denied|Read-only file system",
        "make the folder that it names writable, or run with --directory elsewhere.",
    ),
    (
        r"could not be fetched|URLError|ConnectionError|timed out|Temporary failure in name resolution",
        "this step needs a network: run `snakemake fetch_sources` on a machine that has one, or put the file where the "
        "log says.",
    ),
    (
        r"(?s)^(?!.*(Error|Exception)).*$",
        "the log names no error, so the job was probably killed from outside, most often for memory: "
        "fewer jobs at once (--cores, --resources mem_mb=...), then start again.",
    ),
    (
        r"",
        "a fault of a subject's data is a reason in cohort.tsv, never a failed job, so this is one of the program or "
        "the machine: start again; if it fails again, report it with this log. --keep-going finishes everything else.",
    ),
]  # fmt: skip
