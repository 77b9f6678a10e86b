"""The chapter on the limits of a set of 2-D pictures, and the sentences about pictures in the methods."""

from neurograft.report import summaries
from neurograft.report.sentences import describe_repeats, format_number, name_arm

PARTICIPANTS = "participants.tsv"
NO_VERDICT = (
    "Only segmentation of patients gets a verdict. For pictures there are only differences with their intervals."
)
BY_PATIENT = "The unit of every interval and verdict is the patient, however many pictures of one there are."
TOO_NARROW = (
    "The intervals treat every picture, or group of copies, as a patient of its own. They are therefore narrower than "
    "they should be, because many pictures may come from few patients."
)


def describe_images(record, scores, contrast, comparison, classes):
    """Return what a reader has to know before believing a score on pictures.

    Parameters
    ----------
    record : dict
        Of `reading.import_images`; empty for a cohort of scans.
    scores, contrast, comparison : list of dict
        Rows of `scores.tsv`, `contrast.tsv` and `comparison.tsv`.
    classes : list of str

    Returns
    -------
    dict
        Empty for scans. Otherwise `record`, `warnings` (title, sentences), `reminder` (a sentence for each chapter with
        scores), `table` (one row per class).
    """
    if not record:
        return {}
    alone = {
        key[2]: metrics["balanced-accuracy"]
        for key, metrics in summaries.pooled_scores(contrast).items()
        if "balanced-accuracy" in metrics
    }
    unknown = record["stated"] < record["included"]
    warnings = [
        ("Patients", _of_patients(record)),
        ("Copies", _of_copies(record)),
        ("Contrast", _of_contrast(alone, scores, classes)),
        ("Verdict", [NO_VERDICT, TOO_NARROW] if unknown else [BY_PATIENT]),
    ]
    reminder = "Patients are those stated by the data set"
    if unknown:
        reminder = "The patients of these pictures are not known: the scores are too good, by an unknown amount"
    if alone:
        best = max(alone, key=lambda name: alone[name])
        reminder += f"; the {best} alone reaches a balanced accuracy of {format_number(alone[best])}"
    return {
        "record": record, "warnings": warnings, "reminder": reminder + ".",
        "table": [[name, *(row[key] for key in ("images", "copied", "test", "leaked"))]
                  for name, row in record["classes"].items()],
    }  # fmt: skip


def _of_patients(record):
    """Describe whether the patients of the pictures are known."""
    stated, count = record["stated"], record["included"]
    if stated == count:
        return [
            f"{PARTICIPANTS} states the patient of every picture. All pictures of a patient are on the same side of "
            "every fold."
        ]
    some = f"{PARTICIPANTS} states the patient of {stated} of {count} pictures only" if stated else ""
    return [
        (some or "Nothing in the data set says which patient a picture comes from")
        + ". Slices of one patient can therefore be in both training and test, and every score below is too good, by "
        "an unknown amount: on four cohorts, splitting by slice instead of by patient raised accuracy by 29 to 55 "
        "points (Yagis et al. 2021).",
        f"A table {PARTICIPANTS} with the columns filename and patient would solve this.",
    ]


def _of_copies(record):
    """Describe how many pictures occur more than once, and what that means for the set's own split."""
    if not record["copied"]:
        words = ["No two pictures were found to be copies of each other."]
    else:
        words = [
            f"{record['copied']} of {record['included']} pictures are copies of others: {record['groups']} groups, the "
            f"largest of {record['largest']}. {record['turned']} of {len(record['pairs'])} pairs are mirrored, upside "
            "down or turned. All copies of a picture are on the same side of every fold."
        ]
    if record["conflicts"]:
        words.append(f"{record['conflicts']} pairs of copies have two different classes.")
    if record["test"]:
        words.append(
            f"The set's own split is not used: {record['leaked']} of its {record['test']} test pictures have a copy "
            "in its training part."
        )
    words.append(
        "Copies are found by comparing thumbnails. Different crops, slightly rotated pictures and neighbouring slices "
        "are usually missed, so the true number may be higher; sometimes two neighbouring slices of one head count as "
        "copies."
    )
    return words


def _of_contrast(alone, scores, classes):
    """Describe how well the classes can be distinguished without any anatomy."""
    if not alone:
        return ["How well contrast alone distinguishes the classes was not measured."]
    reached = " and ".join(f"{format_number(value)} from the {name}" for name, value in alone.items())
    pooled = summaries.pooled_scores(scores)
    networks = {key: values["balanced-accuracy"] for key, values in pooled.items() if "balanced-accuracy" in values}
    words = f"Without any anatomy, a random forest on the same folds reaches a balanced accuracy of {reached}"
    words += f", compared with {format_number(1 / len(classes), 2)} for guessing." if classes else "."
    if networks:
        best = max(networks, key=lambda arm: networks[arm])
        name = name_arm({"source": best[1], "strategy": best[2]})
        words += f" The best network ({name}, n = {best[3]}) reaches {format_number(networks[best])}."
    return [
        words,
        "What a histogram can do proves nothing about tumours: sequence and scanner may differ between the classes.",
    ]


def describe_pictures(cite, config):
    """Write the methods' sentences on how pictures were read, with `cite` of `methods.write_methods`."""
    size = config.get("import_images", {}).get("size")
    method = config.get("normalize_intensity", {}).get("method")
    return [
        cite("The data were two-dimensional pictures sorted into one folder per class, with unknown patients unless "
             "stated; their grey values were read"
             + (f" at {size} x {size} pixels, with the longer side scaled to this size." if size else ".")),
        cite(f"The foreground of each picture was normalised separately ({method})." if method else
             "The foreground of each picture was normalised separately."),
        cite("Copies were found by a correlation of 0.98 or more between thumbnails of 32 x 32 pixels, including "
             "mirrored, upside-down and rotated (180 degrees) versions."),
    ]  # fmt: skip


def describe_evaluation(cite, trained):
    """Write the methods' sentences on how classifiers of pictures were scored."""
    folds, repeats = max(map(summaries.count_folds, trained.values()))
    return [
        cite(f"Groups of copies were assigned to {folds} stratified folds{describe_repeats(repeats)}, "
             "ignoring the split of the data set. Slices of one patient may still be on both sides, which inflates "
             "every score.", "yagis"),
        cite("Each strategy was compared with the controls, paired over pictures (a group of copies counts as one): "
             "mean difference with a 95 % confidence interval, and no verdict."),
        cite("As a control without anatomy, random forests were trained on 16 quantiles of the grey values of each "
             "picture, on the same folds."),
    ]  # fmt: skip
