"""The quality table: one row a subject, outliers marked, and how far sites differ in intensity."""

import numpy as np
from scipy import stats

from neurograft.core.sequences import list_sequences
from neurograft.core.tables import parse_number
from neurograft.imaging.measures import QUANTILES
from neurograft.imaging.robust import robust_spread

FEWEST_FOR_OUTLIERS = 5


def mark_outliers(rows, columns, limit=3.5):
    """List the columns in which each subject stands out from the others.

    Parameters
    ----------
    rows : list of dict
        One subject each; a missing, None or NaN value is skipped.
    columns : sequence of str
        Columns of numbers.
    limit : float
        Median absolute deviations, scaled to a standard deviation, that a value may lie from the median.

    Returns
    -------
    list of list of str
        For each row, the columns in which it is an outlier. A column with fewer than five values, or
        whose typical deviation is zero, marks no subject.
    """
    marked = [[] for _ in rows]
    for column in columns:
        values = np.array([_number(row.get(column)) for row in rows], float)
        ends = robust_limits(values, limit)
        if ends is None:
            continue
        for k in np.flatnonzero(np.isfinite(values) & ((values < ends[0]) | (values > ends[1]))):
            marked[k].append(column)
    return marked


def robust_limits(values, limit=3.5):
    """Return the two values beyond which `mark_outliers` marks a value, or None."""
    values = np.asarray(values, float)
    known = values[np.isfinite(values)]
    if known.size < FEWEST_FOR_OUTLIERS:
        return None
    middle = np.median(known)
    spread = robust_spread(known - middle)
    if spread <= 1e-9 * max(1.0, abs(middle)):
        return None
    return float(middle - limit * spread), float(middle + limit * spread)


def _number(value):
    return np.nan if value is None or value == "" else float(value)


def quality_row(strip, register, normalize):
    """Flatten one subject's three quality records to a row of `quality.tsv`.

    Parameters
    ----------
    strip, register, normalize : dict
        Records of `strip_skull`, `register_scans` and `normalize_intensity`.

    Returns
    -------
    dict
        Columns such as `volume_ml_t1c`, `similarity_flair`, `contrast_to_noise_t2`, `cut_mm2_flair`, `look` (what
        a reader should look at) and `flags` (why the subject is left out).
    """
    row = {}
    for record, names in (
        (strip, ("volume_ml", "signal_to_noise")),
        (normalize, ("contrast_to_noise",)),
        (strip, ("sharpness",)),
        (register, ("similarity", "overlap", "volume_change")),
    ):
        for name in names:
            row.update({f"{name}_{key}": value for key, value in record.get(name, {}).items()})
    row.update({f"agreement_{key}": value for key, value in strip.get("second", {}).get("agreement", {}).items()})
    row.update({f"cut_mm2_{key}": found["area_mm2"] for key, found in register.get("cut", {}).items()})
    for name in ("look", "flags"):
        row[name] = "; ".join(words for record in (strip, register, normalize) for words in record.get(name, []))
    return row


def gather_quality(statuses, strips, registers, normalizes):
    """Put every subject's quality records into one table, outliers marked.

    Parameters
    ----------
    statuses, strips, registers, normalizes : list of dict
        Import status and records of `strip_skull`, `register_scans` and `normalize_intensity`, one a
        subject, in one order.

    Returns
    -------
    list of dict
        Rows of `quality.tsv`: `subject`, `site`, numbers, `tumour_free` (labelled, and without a
        tumour), `look`, `flags` and `outlier` (the columns in which the subject stands out).
    """
    rows = []
    for status, *records in zip(statuses, strips, registers, normalizes, strict=True):
        labels = status["labels"]
        known = {"subject": status["subject"], "site": status["site"]}
        rows.append(known | quality_row(*records) | {"tumour_free": labels is not None and not labels["values"]})
    numbers = [name for name in dict.fromkeys(key for row in rows for key in row) if name.startswith(MEASURES)]
    marked = mark_outliers(rows, numbers)
    texts = ("tumour_free", "look", "flags")
    return [
        {name: row.get(name) for name in ("subject", "site", *numbers, *texts)} | {"outlier": ", ".join(outlier)}
        for row, outlier in zip(rows, marked, strict=True)
    ]


MEASURES = (
    "volume_ml",
    "agreement",
    "signal_to_noise",
    "contrast_to_noise",
    "sharpness",
    "similarity",
    "overlap",
    "cut_mm2",
    "volume_change",
)
FEWEST_PATIENTS = 3  # of a site, to be compared with others
NOT_STATED = "not stated"
WHEN = ("before", "after")
COLUMNS = ("subject", "site", "sequence", "when", *(f"p{quantile}" for quantile in QUANTILES))
# what is compared of a scan: name, and how it is made from the row's percentiles
SUMMARIES = {
    "median": lambda row: row["p50"],
    "interquartile range": lambda row: row["p75"] - row["p25"],
    "5th percentile": lambda row: row["p5"],
    "95th percentile": lambda row: row["p95"],
}


def gather_intensities(statuses, normalizes):
    """Put every scan's percentiles into one table.

    Parameters
    ----------
    statuses, normalizes : list of dict
        Import status and record of `normalize_intensity`, one a subject, in one order.

    Returns
    -------
    list of dict
        `COLUMNS`; two rows a scan, before and after normalisation.
    """
    rows = []
    for status, record in zip(statuses, normalizes, strict=True):
        for when in WHEN:
            for name, found in record.get("intensities", {}).get(when, {}).items():
                fixed = {"subject": status["subject"], "site": status["site"], "sequence": name, "when": when}
                # a scan that shows no brain has no percentiles
                rows += [fixed | dict(zip(COLUMNS[4:], found, strict=True))] if found else []
    return rows


def site_effect(values, sites):
    """Compute the share of the differences between patients that goes with their site.

    Eta squared of the Kruskal-Wallis test, (H - k + 1) / (n - k) (Tomczak and Tomczak 2014, Trends Sport Sci. 1:19):
    ranks, so that one scanner's arbitrary scale does not decide, and corrected for what k sites reach by chance.

    Parameters
    ----------
    values : sequence of float
        One a patient.
    sites : sequence of str
        Of the same patients. Sites with fewer than `FEWEST_PATIENTS` are passed over.

    Returns
    -------
    float or None
        0 (none) to 1 (all); None with fewer than two sites, or where all patients have one value.
    """
    groups = {}
    for value, site in zip(values, sites, strict=True):
        groups.setdefault(site, []).append(value)
    groups = [found for found in groups.values() if len(found) >= FEWEST_PATIENTS]
    everybody = [value for found in groups for value in found]
    if len(groups) < 2 or np.ptp(everybody) == 0:
        return None
    statistic = float(stats.kruskal(*groups).statistic)
    return float(np.clip((statistic - len(groups) + 1) / (len(everybody) - len(groups)), 0, 1))


def compare_sites(intensities):
    """Compare the sites of a cohort, sequence by sequence.

    Parameters
    ----------
    intensities : list of dict
        Rows of `results/intensities.tsv`; numbers may be text.

    Returns
    -------
    list of dict
        Of each sequence: `sequence`; `sites`, largest first, each with `site`, `patients` and, `before` and `after`,
        the medians over patients of the percentiles; `effects`, of each of `SUMMARIES` the `site_effect` `before`
        and `after`. Empty where the cohort has one site only.
    """
    rows = [row | {key: parse_number(row[key]) for key in COLUMNS[4:]} for row in intensities]
    if len({row["site"] or NOT_STATED for row in rows}) < 2:
        return []
    compared = []
    for name in list_sequences(row["sequence"] for row in rows):
        parts = {when: [row for row in rows if (row["sequence"], row["when"]) == (name, when)] for when in WHEN}
        effects = {
            summary: {when: site_effect([make(row) for row in part], [row["site"] or NOT_STATED for row in part])
                      for when, part in parts.items()}
            for summary, make in SUMMARIES.items()
        }  # fmt: skip
        sites = {}
        for when, part in parts.items():
            for row in part:
                sites.setdefault(row["site"] or NOT_STATED, {}).setdefault(when, []).append(
                    [row[key] for key in COLUMNS[4:]]
                )
        told = [
            {"site": site, "patients": len(found["before"])}
            | {when: np.median(found[when], axis=0).tolist() for when in WHEN}
            for site, found in sites.items()
        ]
        told.sort(key=lambda row: (-row["patients"], row["site"]))
        compared.append({"sequence": name, "sites": told, "effects": effects})
    return compared
