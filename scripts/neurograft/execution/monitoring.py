"""What a person sees of a run: its progress while it runs, and what to do about jobs that failed."""

import logging
import re
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, TypeAlias

# rule of a job, and its subject where it has one
Job: TypeAlias = tuple[str, str | None]
# what comes after the trainings: a subject is preprocessed when nothing else of it is left
LAST = "deliver_segmentation"
EVERY = 20  # seconds between two lines


class Watch(logging.Handler):
    """A listener to a run's messages about its jobs: it prints the progress, and keeps what failed.

    Parameters
    ----------
    list_left : callable
        Returns the jobs that are not finished: number, rule, and subject or None.
    count_subjects : int
    benchmarks : str or Path
        A folder for each rule, with a table for each job that ran before.
    """

    def __init__(
        self, list_left: Callable[[], list[tuple[int, str, str | None]]], count_subjects: int, benchmarks: str | Path
    ):
        super().__init__()
        self.list_left, self.subjects, self.benchmarks = list_left, count_subjects, benchmarks
        self.started: dict[int, tuple[str, dict[str, str], float]] = {}
        self.ended: set[int] = set()
        self.spent: dict[str, tuple[int, float]] = {}
        self.failed: list[dict[str, Any]] = []
        self.begun, self.said = time.time(), 0.0

    def emit(self, record: Any) -> None:
        """Note one message about a job; ignore any other. Snakemake adds its fields to the usual log record."""
        event = str(getattr(record, "event", ""))
        if event == "job_info":
            self.started[record.jobid] = (record.rule_name, dict(record.wildcards or {}), record.created)
        elif event == "job_finished" and record.job_id in self.started:
            rule, _, begun = self.started[record.job_id]
            jobs, seconds = self.spent.get(rule, (0, 0.0))
            self.spent[rule] = (jobs + 1, seconds + record.created - begun)
            self.ended.add(record.job_id)
        elif event == "job_error":
            wildcards = self.started.get(record.jobid, ("", {}))[1]
            self.failed.append({"rule": record.rule_name, "wildcards": wildcards, "logs": list(record.log)})
        elif event == "progress" and record.created - self.said > EVERY:
            self.said = record.created
            left = [(rule, subject) for number, rule, subject in self.list_left() if number not in self.ended]
            earlier = read_seconds(self.benchmarks, {rule for rule, _ in left} - set(self.spent))
            line = describe_progress(left, self.subjects, self.spent, earlier, record.created - self.begun)
            print(line, file=sys.stderr, flush=True)


def describe_progress(
    left: list[Job], subjects: int, spent: dict[str, tuple[int, float]], earlier: dict[str, float], elapsed: float
) -> str:
    """Describe in one line how far a run is.

    The time left is the time so far, times the work left over the work done; a job's work is the mean of
    its rule's jobs in this run, or of an earlier one.

    Parameters
    ----------
    left : list of (str, str or None)
        Rule and subject of each job that is not finished.
    subjects : int
        In the cohort.
    spent : dict of str to (int, float)
        Jobs of each rule that this run finished, and their seconds together.
    earlier : dict of str to float
        Mean seconds of a job of each rule in earlier runs.
    elapsed : float
        Seconds.

    Returns
    -------
    str
    """
    done = sum(jobs for jobs, _ in spent.values())
    means = earlier | {rule: seconds / jobs for rule, (jobs, seconds) in spent.items()}
    parts = [f"{done} jobs done, {len(left)} left"]
    gathering = any(rule == "gather_cohort" for rule, _ in left)
    waiting, early = ({subject for _, subject in some if subject} for some in (left, _before_training(left)))
    if waiting or gathering:
        reached = "imported" if gathering else "preprocessed"
        parts.insert(0, f"{subjects - len(early)} of {subjects} subjects {reached}")
        if not gathering:
            parts.insert(1, f"{subjects - len(waiting)} finished")
    work, ahead = sum(seconds for _, seconds in spent.values()), sum(means.get(rule, 0) for rule, _ in left)
    untimed = sum(rule not in means for rule, _ in left if rule != "all")
    if work:
        parts.append(f"about {_in_words(elapsed * ahead / work)} left")
    if gathering:
        parts.append("the steps after the import are planned when it is done")
    elif untimed:
        parts.append(f"not counting {untimed} jobs of steps that were never timed here")
    return "PROGRESS: " + "; ".join(parts)


def read_seconds(benchmarks: str | Path, rules: Collection[str], most: int = 20) -> dict[str, float]:
    """Read the mean seconds of the jobs of some rules from earlier benchmarks, up to `most` of each rule."""
    means: dict[str, float] = {}
    for rule in rules:
        lines = [path.read_text().splitlines()[1:2] for path in sorted(Path(benchmarks, rule).glob("*.tsv"))[:most]]
        seconds = [float(line[0].split("\t")[0]) for line in lines if line]
        if seconds:
            means[rule] = sum(seconds) / len(seconds)
    return means


def _before_training(left: list[Job]) -> list[Job]:
    """Keep the jobs that come before a subject is delivered."""
    return [(rule, subject) for rule, subject in left if rule != LAST]


def _in_words(seconds: float) -> str:
    """Round a time as people say it."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


LINES = 12  # of a log's end
MOST = 5  # failures that are described in full


def describe_failures(failed: list[dict[str, Any]]) -> str:
    """Describe each failed job: what it was, how its log ends, and what to try.

    Parameters
    ----------
    failed : list of dict
        `rule`, `wildcards` (dict of str to str) and `logs` (paths) of each.

    Returns
    -------
    str
    """
    lines: list[str] = []
    for job in failed[:MOST]:
        end = [line for log in job["logs"] for line in read_end(log)]
        lines.append(f"FAILED: {name_job(job)}")
        lines += [f"  log: {', '.join(map(str, job['logs'])) or 'none'}", *(f"    {line}" for line in end)]
        lines.append(f"  what to try: {advise(end)}")
    if len(failed) > MOST:
        lines.append(f"... and {len(failed) - MOST} more: " + "; ".join(name_job(job) for job in failed[MOST:]))
    if failed:
        lines.append("Finished work is kept: the same command goes on where this one stopped.")
    return "\n".join(lines)


def name_job(job: dict[str, Any]) -> str:
    """Name a job by its rule and its subject, or by its other wildcards."""
    named = dict(job["wildcards"])
    subject = f"subject {named.pop('subject')}" if "subject" in named else ""
    rest = ", ".join(f"{name} {value}" for name, value in named.items())
    return ", ".join(part for part in (job["rule"], subject, rest) if part)


def read_end(path: str | Path, lines: int = LINES) -> list[str]:
    """Read the last lines of a log that are not blank; none where there is no log."""
    path = Path(path)
    if not path.is_file():
        return []
    text = path.read_bytes()[-20_000:].decode("utf-8", errors="replace")
    return [line for line in text.splitlines() if line.strip()][-lines:]


def advise(lines: list[str]) -> str:
    """Choose what to try from the end of a log: the first row of `ADVICE` whose pattern matches."""
    text = "\n".join(lines)
    return next(advice for pattern, advice in ADVICE if re.search(pattern, text))


# pattern in the end of a log, what to try; the last fits whatever the others do not
ADVICE = [
    (
        r"LeakError",
        "look at the pairs in results/leaks.tsv: exclude one of each, or say that both are one patient "
        "(docs/how-to/leaks.md).",
    ),
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
