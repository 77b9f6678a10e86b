"""False alarms: what the delivered networks mark in heads without a tumour."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import stats

from neurograft.core import files
from neurograft.core.tables import parse_boolean
from neurograft.stats.clustered_error import LEVEL, t_half_width

FEWEST = 3
# less than this is called unmarked: a few voxels at the border of a mask
MARKED_ML = 0.1


@dataclass(frozen=True)
class Healthy:
    """Who is healthy, as the config's `judge_masks.healthy` says.

    Attributes
    ----------
    column : str
        A column of `cohort.tsv`; "" if nobody was named.
    values : sequence of str
        Its values for healthy people, in any case.
    """

    column: str = ""
    values: Sequence[str] = ()

    def choose(self, cohort: Sequence[Mapping[str, str]]) -> tuple[list[str], str]:
        """Return the included subjects who are healthy, and why there are none."""
        columns = {column.lower(): column for row in cohort for column in row}
        if not self.column:
            return [], "no healthy heads were named (judge_masks.healthy)"
        column = columns.get(self.column.lower())
        if not column:
            there = ", ".join(columns.values())
            return (
                [],
                f"judge_masks.healthy.column: there is no column '{self.column}' in cohort.tsv, which has {there}",
            )
        wanted = {str(value).strip().lower() for value in self.values}
        chosen = [
            row["participant_id"]
            for row in cohort
            if parse_boolean(row["included"]) and str(row[column] or "").strip().lower() in wanted
        ]
        if chosen:
            return chosen, ""
        return [], f"nobody included has one of {', '.join(map(str, self.values))} in the column {column}"


def read_records(paths):
    """Read the records of `deliver_segmentation`, from `.../sub-X/...`; return subject to record."""
    named = {next(part for part in Path(path).parts if part.startswith("sub-")): path for path in paths}
    return {name.removeprefix("sub-"): files.read_json(path) for name, path in named.items()}


def certify_masks(records, chosen, owner, volumes, simulated=False):
    """Measure what is marked in healthy heads.

    Parameters
    ----------
    records : dict of str to dict
        Subject to the record of `deliver_segmentation`.
    chosen : (list of str, str)
        From `Healthy.choose`.
    owner : dict of str to str
        Subject to patient, of those who have several.
    volumes : dict of str to float
        Labelled subject to the volume of its label in ml: who has one is not healthy.
    simulated : bool
        Whether the heads are simulated.

    Returns
    -------
    heads : list of dict
        A row for each person and region: the mean over scans in ml, `networks` (fewest), `labelled`.
    summary : list of dict
        A row for each region, `SUMMARY`: number of `heads`, those `marked` with `MARKED_ML` or more, their `share` with
        an exact interval, the mean and largest volume; or the `reason` why there is none.
    """
    subjects, reason = chosen
    sick = [subject for subject in subjects if volumes.get(subject, 0) > 0]
    reason = reason or (f"a label marks {', '.join(sorted(sick)[:5])}, named healthy: left out" if sick else "")
    people: dict[str, list[str]] = {}
    for subject in subjects:
        if subject not in sick and records.get(subject, {}).get("delivered"):
            people.setdefault(owner.get(subject, subject), []).append(subject)
    regions = list(
        dict.fromkeys(region for scans in people.values() for scan in scans for region in records[scan]["volume_ml"])
    )
    heads = [
        {
            "patient": person, "region": region, "scans": len(scans),
            "marked_ml": round(float(np.mean([records[scan]["volume_ml"].get(region, 0.0) for scan in scans])), 3),
            "networks": min(records[scan]["networks"] for scan in scans),
            "labelled": all(scan in volumes for scan in scans),
        }
        for person, scans in people.items()
        for region in regions
    ]  # fmt: skip
    if len(people) < FEWEST:
        few = f"{len(people)} healthy heads with a mask; it takes {FEWEST}"
        return heads, [{"region": "", "heads": len(people), "simulated": simulated, "reason": reason or few}]
    summary = [
        {"region": region, "simulated": simulated, "reason": reason}
        | _summarise(np.array([row["marked_ml"] for row in heads if row["region"] == region]))
        for region in regions
    ]
    return heads, summary


def _summarise(marked):
    """Summarise the volumes that were marked in one region, one of each person."""
    count, high = len(marked), int(np.count_nonzero(marked >= MARKED_ML))
    share = stats.binomtest(high, count).proportion_ci(LEVEL, method="exact")
    half, mean = t_half_width(marked), float(marked.mean())
    # volumes are not negative
    numbers = {
        "share": high / count, "share_low": share.low, "share_high": share.high, "mean_ml": mean,
        "mean_low": max(0.0, mean - half), "mean_high": mean + half, "largest_ml": float(marked.max()),
    }  # fmt: skip
    return {"heads": count, "marked": high} | {name: round(float(value), 4) for name, value in numbers.items()}


# the columns of the tables
HEADS = ("patient", "region", "scans", "marked_ml", "networks", "labelled")
SUMMARY = (
    *("region", "heads", "marked", "share", "share_low", "share_high", "mean_ml", "mean_low", "mean_high"),
    *("largest_ml", "simulated", "reason"),
)
