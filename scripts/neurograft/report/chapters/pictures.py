"""What a set of 2-D pictures cannot show, in words and numbers, for the report."""

from neurograft.core import strategies
from neurograft.core.tables import parse_number
from neurograft.report import summaries
from neurograft.report.sentences import MARKS, name_arm, write_interval

PARTICIPANTS = "participants.tsv"
NO_VERDICT = "Only segmentation of patients has a verdict; here are differences with their intervals."
TOO_NARROW = (
    "These take every picture, or group of copies, for a patient of its own: they are narrower than the truth, as many "
    "pictures may be of few patients."
)


def tell_images(record, scores, contrast, comparison, classes):
    """Say what has to be known before a score on pictures is believed.

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
        Empty for scans. `record`, `warnings` (title, sentences), `reminder` (a sentence for each chapter with scores),
        `headline` (as `sentences.headline`, or None where nothing was compared), `table` (a row a class).
    """
    if not record:
        return {}
    alone = {key[2]: found.get("balanced-accuracy") for key, found in summaries.pooled_scores(contrast).items()}
    strangers = record["stated"] < record["included"]
    warnings = [
        ("Patients", _of_patients(record)),
        ("Copies", _of_copies(record)),
        ("Contrast", _of_contrast(alone, scores, classes)),
        ("Verdict", [NO_VERDICT, *([TOO_NARROW] if strangers else [])]),
    ]
    reminder = "Patients are as the set states them"
    if strangers:
        reminder = "Pictures without known patients: the scores are too good, by an unknown amount"
    if alone:
        best = max(alone, key=lambda name: alone[name] or 0)
        reminder += f"; a {best} alone has a balanced accuracy of {_share(alone[best])}"
    return {
        "record": record, "warnings": warnings, "reminder": reminder + ".", "headline": _headline(comparison),
        "table": [[name, *(row[key] for key in ("images", "copied", "test", "leaked"))]
                  for name, row in record["classes"].items()],
    }  # fmt: skip


def _of_patients(record):
    """Say whether anybody knows whose the pictures are."""
    known, count = record["stated"], record["included"]
    if known == count:
        return [f"{PARTICIPANTS} states the patient of every picture; a patient is on one side of every fold."]
    some = f"{PARTICIPANTS} states the patient of {known} of {count} pictures only" if known else ""
    return [
        (some or "Nothing in the set says which patient a picture is of")
        + ". Slices of one patient can therefore be in training and in test, and every score below is too good, by an "
        "unknown amount: on four cohorts, splitting slices instead of patients raised accuracy by 29 to 55 points "
        "(Yagis et al. 2021).",
        f"A table {PARTICIPANTS} with the columns filename and patient would mend it.",
    ]


def _of_copies(record):
    """Say how many pictures are there more than once, and what that did to the set's own division."""
    if not record["copied"]:
        words = ["No two pictures were found to be copies of each other."]
    else:
        words = [
            f"{record['copied']} of {record['included']} pictures are copies of others: {record['groups']} groups, the "
            f"largest of {record['largest']}. {record['turned']} of {len(record['pairs'])} pairs are mirrored, upside "
            "down or turned. A group is on one side of every fold."
        ]
    if record["conflicts"]:
        words.append(f"{record['conflicts']} pairs of copies carry two different classes.")
    if record["test"]:
        words.append(
            f"The set's own division is not used: {record['leaked']} of its {record['test']} test pictures have a copy "
            "in its training part."
        )
    words.append(
        "Copies are found by their thumbnails. Other crops, small turns and neighbouring slices are missed, so there "
        "are at least so many; two neighbouring slices of one head may also count as copies."
    )
    return words


def _of_contrast(alone, scores, classes):
    """Say how far the classes are told apart without anatomy."""
    if not alone:
        return ["How far contrast alone tells the classes apart was not measured."]
    found = " and ".join(f"{_share(value)} from the {name}" for name, value in alone.items())
    pooled = summaries.pooled_scores(scores)
    networks = {key: values["balanced-accuracy"] for key, values in pooled.items() if "balanced-accuracy" in values}
    words = f"Without any anatomy, a random forest on the same folds reaches a balanced accuracy of {found}"
    words += f", where guessing has {1 / len(classes):.2f}." if classes else "."
    if networks:
        best = max(networks, key=networks.get)
        name = name_arm({"source": best[1], "strategy": best[2]})
        words += f" The best network ({name}, n = {best[3]}) has {_share(networks[best])}."
    return [
        words,
        "What a histogram can do proves nothing about tumours: sequence and scanner differ too.",
    ]


def _headline(comparison):
    """Say what was seen against both controls, with intervals and without a verdict."""
    rows = [row for row in comparison if row["metric"] == "accuracy" and row["against"] == "scratch"]
    most = max((summaries.size(row["n"]) for row in rows), default=0)
    rows = [
        row for row in rows if summaries.size(row["n"]) == most and parse_number(row["mean_difference"]) is not None
    ]
    rows = [row for row in rows if row["strategy"] not in strategies.CONTROLS]
    if not rows:
        return None
    sentences = []
    for row in sorted(rows, key=lambda row: strategies.strategy_order(row["strategy"])):
        words = f"{name_arm(row)}: accuracy changed by {write_interval(row)} against training from scratch"
        other = summaries.control_row(comparison, row)
        words += f", by {write_interval(other)} against a frozen random encoder" if other else ""
        sentences.append(words + ".")
    kind = "nothing"
    title = "No verdict: these are pictures, not patients."
    return {"kind": kind, "mark": MARKS[kind], "title": title, "sentences": sentences}


def _share(value):
    return "–" if parse_number(value) is None else f"{parse_number(value):.3f}"


def describe_pictures(cite, config):
    """Write the methods' sentences on how pictures were read, with `cite` of `methods.write_methods`."""
    size = config.get("import_images", {}).get("size")
    method = config.get("normalize_intensity", {}).get("method")
    return [
        cite("The data were two-dimensional pictures in folders of classes, of unknown patients unless stated; their "
             "grey values were read" + (f" at {size} x {size} pixels, the longer side scaled to it." if size else ".")),
        cite(f"The foreground of each picture was normalised by itself ({method})." if method else
             "The foreground of each picture was normalised by itself."),
        cite("Copies were found by the correlation (0.98 or more) of thumbnails of 32 x 32 pixels, also mirrored, "
             "upside down and turned by 180 degrees."),
    ]  # fmt: skip


def describe_evaluation(cite, trained):
    """Write the methods' sentences on how classifiers of pictures were scored."""
    folds = max(len(task.get("folds", [])) for task in trained.values())
    return [
        cite(f"Groups of copies were shared out into {folds} stratified folds, whatever division the set itself has. "
             "Slices of one patient may still be on both sides, which inflates every score.", "yagis"),
        cite("Each strategy was compared with the controls, paired over pictures (a group of copies as one): mean "
             "difference with a 95 % interval, and no verdict."),
        cite("As a control without anatomy, random forests were trained on 16 quantiles of the grey values of each "
             "picture, on the same folds."),
    ]  # fmt: skip
