"""Turn the subjects' import statuses into the rows of `cohort.tsv`."""

from statistics import median

from neurograft.core.labels import cohort_scheme, regions_of, tissues_of

FIXED_COLUMNS = ("participant_id", "included", "reason", "sequences", "labels", "site", "scheme", "name")
ENHANCES = 0.5  # least probability, in the median of the subjects, that enhancing tumour is the brighter part on T1c
FIXED_COLUMNS += ("recognised", "will_do", "notes")


def gather_cohort(statuses):
    """Make the rows of `cohort.tsv`, one for each subject, included or not.

    This also decides the label scheme: a label whose values fit more than one scheme gets the cohort's; a label of
    another scheme with the same regions, as in combined BraTS releases, keeps its own; any other label is not used, and
    this is noted. Nor are labels whose scheme was not stated by the user and calls a part enhancing that is darker than
    the rest of the tumour after contrast agent, in the median of the subjects: the values mean something else.

    Parameters
    ----------
    statuses : list of dict
        From `validation.import_scans`, one for each subject.

    Returns
    -------
    list of dict
        `FIXED_COLUMNS`, then every column of the datasets; a clash is renamed to `dataset_<column>`.
    """
    common, doubts = cohort_scheme(statuses), doubt_schemes(statuses)
    dataset_columns = dict.fromkeys(key for status in statuses for key in status["columns"])
    rows = []
    for status in statuses:
        scheme, labels, notes = _settle_scheme(status, common)
        if labels and scheme in doubts and not status["labels"].get("stated"):
            labels, notes = False, [*notes, f"labels not used: {doubts[scheme]}"]
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


def doubt_schemes(statuses):
    """Find the schemes that the scans contradict: what they call enhancing does not enhance.

    Parameters
    ----------
    statuses : list of dict

    Returns
    -------
    dict of str to str
        Scheme to what speaks against it, and what to do.
    """
    common, seen = cohort_scheme(statuses), {}
    for status in statuses:
        labels = status["labels"] if status["included"] else None
        if labels is None or labels.get("stated"):
            continue
        scheme = status["scheme"] if labels["certain"] else common
        value = tissues_of(scheme).get("enhancing") if scheme else None
        bright = labels.get("brightness", {}).get(str(value))
        if bright is not None:
            seen.setdefault(scheme, []).append(bright)
    return {
        scheme: f"{scheme} says that {tissues_of(scheme)['enhancing']} enhances, but it is darker than the rest of the "
        f"tumour on T1c (in the median of {len(found)}: brighter with probability {median(found):.2f}); "
        "set import_scans.labels to what the values mean"
        for scheme, found in seen.items()
        if median(found) < ENHANCES
    }


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
