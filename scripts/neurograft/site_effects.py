"""How far sites differ in the intensities of their scans, before and after normalisation."""

import numpy as np
from scipy import stats

from neurograft.image_quality import QUANTILES
from neurograft.images import SEQUENCES
from neurograft.summaries import number

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
    """Share of the differences between patients that goes with their site.

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
    rows = [row | {key: number(row[key]) for key in COLUMNS[4:]} for row in intensities]
    if len({row["site"] or NOT_STATED for row in rows}) < 2:
        return []
    compared = []
    for name in (name for name in SEQUENCES if any(row["sequence"] == name for row in rows)):
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
