"""Count false alarms of the leak guard on cohorts in which nobody is twice.

    PYTHONPATH=scripts python benchmarks/clean_cohorts.py RUN:COHORTS [RUN:COHORTS ...]

RUN is the folder of a finished run without leaks (its `results/cohort.tsv` and what it imported). Its patients are
dealt into so many cohorts, all scans of a patient into one. A pair that the guard calls a leak is a false alarm.
"""

import argparse
import random
import tempfile
from pathlib import Path

from scipy import stats

from neurograft.cohort.splits import patient_of
from neurograft.core import tables
from neurograft.guard import guarding, registry
from neurograft.guard.cohort_prints import ScanReader


def deal(run, count):
    """Deal a run's patients into cohorts of about equal size; return a list of lists of rows."""
    rows = [row for row in tables.read_table(run / "results/cohort.tsv") if tables.parse_boolean(row["included"])]
    patients = sorted({patient_of(row) for row in rows})
    random.Random(0).shuffle(patients)
    owner = {patient: number % count for number, patient in enumerate(patients)}
    return [[row for row in rows if owner[patient_of(row)] == number] for number in range(count)]


def main():
    """Guard every cohort and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+")
    cohorts = pairs = alarmed = 0
    for text in parser.parse_args().runs:
        place, _, count = text.rpartition(":")
        run = Path(place)
        for rows in deal(run, int(count)):
            names = [row["participant_id"] for row in rows]
            folders = {name: str(run / f"results/work/sub-{name}/imported") for name in names}
            # pictures whose pixels have no size were stacked
            stacked = any("pixel is not stated" in (row.get("notes") or "") for row in rows)
            with tempfile.TemporaryDirectory() as store:
                record, _ = guarding.guard_cohort(
                    rows, {name: {} for name in names}, ScanReader(folders, stacked),
                    guarding.GuardOptions(registry.FOLDER, []), store,
                )  # fmt: skip
            leaks = [leak["words"] for leak in record["leaks"] if leak["leak"]]
            cohorts, alarmed = cohorts + 1, alarmed + bool(leaks)
            pairs += len(names) * (len(names) - 1) // 2
            print(
                f"{run.name}: {len(names)} subjects, {record['candidates']} pairs looked at, leaks: {leaks}", flush=True
            )
    high = stats.binomtest(alarmed, cohorts).proportion_ci(method="exact").high
    print(f"{alarmed} of {cohorts} cohorts had an alarm (upper 95 % limit {high:.0%}), {pairs} pairs")


if __name__ == "__main__":
    main()
