"""Turn the subjects' import statuses into the rows of `cohort.tsv`."""

from neurograft.core.labels import cohort_scheme, regions_of, tissues_of

FIXED_COLUMNS = ("participant_id", "included", "reason", "sequences", "labels", "site", "scheme", "name")
FIXED_COLUMNS += ("recognised", "will_do", "notes")


def gather_cohort(statuses):
    """Make the rows of `cohort.tsv`, one for each subject, included or not.

    This also decides the label scheme: a label whose values fit more than one scheme gets the cohort's; a label of
    another scheme with the same regions, as in combined BraTS releases, keeps its own; any other label is not used, and
    this is noted.

    Parameters
    ----------
    statuses : list of dict
        From `validation.import_scans`, one for each subject.

    Returns
    -------
    list of dict
        `FIXED_COLUMNS`, then every column of the datasets; a clash is renamed to `dataset_<column>`.
    """
    common = cohort_scheme(statuses)
    dataset_columns = dict.fromkeys(key for status in statuses for key in status["columns"])
    rows = []
    for status in statuses:
        scheme, labels, notes = _settle_scheme(status, common)
        fixed = {
            "participant_id": status["subject"],
            "included": status["included"],
            "reason": status["reason"],
            "sequences": ",".join(status["sequences"]),
            "labels": labels,
            "site": status["site"],
            "scheme": scheme,
            "name": status["name"],
            # nothing is recognised for pictures
            "recognised": status.get("recognised", ""),
            "will_do": status.get("will_do", ""),
            "notes": "; ".join(notes),
        }
        others = {f"dataset_{k}" if k in FIXED_COLUMNS else k: status["columns"].get(k, "") for k in dataset_columns}
        rows.append(fixed | others)
    return rows


def _settle_scheme(status, common):
    """Return a subject's scheme, whether its label can be used in the cohort, and its notes."""
    scheme, labels, notes = status["scheme"], status["labels"], status["notes"]
    if labels is None:
        return scheme, False, notes
    fits = set(labels["values"]) <= set(tissues_of(common).values() if common else ())
    if scheme == common or (fits and not labels["certain"]):
        return common, True, notes
    if scheme and common and regions_of(scheme) == regions_of(common):
        return scheme, True, notes
    return scheme, False, [*notes, f"labels not used: they follow {scheme}, the cohort {common}; convert them"]
