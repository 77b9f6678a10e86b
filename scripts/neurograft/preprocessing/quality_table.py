"""The quality table: one row for each subject, with outliers marked, and differences in intensity between sites."""

import numpy as np
from scipy import stats

from neurograft.core.sequences import list_sequences
from neurograft.core.tables import parse_number
from neurograft.imaging.measures import QUANTILES
from neurograft.imaging.robust import robust_spread

FEWEST_FOR_OUTLIERS = 5


def mark_outliers(rows, columns, limit=3.5):
    """List the columns in which each subject is an outlier.

    Parameters
    ----------
    rows : list of dict
        One for each subject; missing, None and NaN values are skipped.
    columns : sequence of str
        Numeric columns.
    limit : float
        Largest distance from the median, in median absolute deviations scaled to a standard deviation.

    Returns
    -------
    list of list of str
        For each row, the columns in which it is an outlier. A column with fewer than five values or with zero spread
        marks no subject.
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
    """Return the limits outside which `mark_outliers` marks a value, or None."""
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
    """Flatten one subject's three quality records into a row of `quality.tsv`.

    Parameters
    ----------
    strip, register, normalize : dict
        Records of `strip_skull`, `register_scans` and `normalize_intensity`.

    Returns
    -------
    dict
        Columns such as `volume_ml_t1c`, `similarity_flair`, `contrast_to_noise_t2`, `cut_mm2_flair`, `look` (points
        for visual inspection) and `flags` (why the subject is left out).
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
    """Combine the quality records of all subjects into one table, and mark outliers.

    Parameters
    ----------
    statuses, strips, registers, normalizes : list of dict
        Import status and records of `strip_skull`, `register_scans` and `normalize_intensity`, one for each subject,
        in the same order.

    Returns
    -------
    list of dict
        Rows of `quality.tsv`: `subject`, `site`, numbers, `tumour_free` (labelled, without a tumour), `look`, `flags`
        and `outlier` (the columns in which the subject is an outlier).
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
FEWEST_PATIENTS = 3  # of a site, for a comparison with others
NOT_STATED = "not stated"
WHEN = ("before", "after")
COLUMNS = ("subject", "site", "sequence", "when", *(f"p{quantile}" for quantile in QUANTILES))
# summaries of a scan to compare between sites: name, and function of the row's percentiles
SUMMARIES = {
    "median": lambda row: row["p50"],
    "interquartile range": lambda row: row["p75"] - row["p25"],
    "5th percentile": lambda row: row["p5"],
    "95th percentile": lambda row: row["p95"],
}


def gather_intensities(statuses, normalizes):
    """Combine the intensity percentiles of all scans into one table.

    Parameters
    ----------
    statuses, normalizes : list of dict
        Import status and record of `normalize_intensity`, one for each subject, in the same order.

    Returns
    -------
    list of dict
        `COLUMNS`; two rows for each scan, before and after normalisation.
    """
    rows = []
    for status, record in zip(statuses, normalizes, strict=True):
        for when in WHEN:
            for name, found in record.get("intensities", {}).get(when, {}).items():
                fixed = {"subject": status["subject"], "site": status["site"], "sequence": name, "when": when}
                # a scan without brain has no percentiles
                rows += [fixed | dict(zip(COLUMNS[4:], found, strict=True))] if found else []
    return rows


def site_effect(values, sites):
    """Compute the share of the variation between patients that is explained by their site.

    Eta squared of the Kruskal-Wallis test, (H - k + 1) / (n - k) (Tomczak and Tomczak 2014, Trends Sport Sci. 1:19).
    It uses ranks, because the intensity scale of a scanner is arbitrary, and corrects for the chance effect of k sites.

    Parameters
    ----------
    values : sequence of float
        One for each patient.
    sites : sequence of str
        Site of each patient. Sites with fewer than `FEWEST_PATIENTS` are ignored.

    Returns
    -------
    float or None
        0 (none) to 1 (all); None with fewer than two sites, or if all values are equal.
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
    """Compare the sites of a cohort for each sequence.

    Parameters
    ----------
    intensities : list of dict
        Rows of `results/intensities.tsv`; numbers may be text.

    Returns
    -------
    list of dict
        For each sequence: `sequence`; `sites`, largest first, each with `site`, `patients`, and the medians over
        patients of the percentiles `before` and `after`; `effects`, the `site_effect` of each of `SUMMARIES` `before`
        and `after`. Empty if the cohort has only one site.
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
