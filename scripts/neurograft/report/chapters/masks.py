"""How far delivered masks can be believed: the chapter, and what stands on a subject's page."""

import numpy as np

from neurograft.core.region_words import name_region
from neurograft.core.tables import parse_boolean, parse_number
from neurograft.delivery.mask_quality import LOOK, NONE, risk_coverage
from neurograft.report.charts.masks import draw_kept, draw_predicted
from neurograft.report.sentences import format_interval, format_number, format_percent

FEWEST = 5  # masks for a chart
NUMBERS = ("predicted", "low", "high", "dice")
# the measures of `evaluation.lesions`
MEASURED = {
    "dice": "Dice",
    "hd95": "HD95 (mm)",
    "lesion_dice": "lesion-wise Dice",
    "lesion_hd95": "lesion-wise HD95 (mm)",
    "surface_dice": "normalised surface distance, 1 mm",
    "volume_error": "volume error (ml)",
}
MOST_LABELS = 5  # that are named for a second look
CONTRADICTED = {
    "core_outside": "of what the network is sure of lies outside the label",
    "label_unseen": "of the label is where the network is sure of nothing",
    "overlap": "is missing to full overlap (1 - Dice)",
}


def describe_masks(results):
    """Return the values of the chapter on how far masks can be believed.

    Parameters
    ----------
    results : results.Results

    Returns
    -------
    dict
        `regions`: for each `name`, `words` (sentences), `predicted` and `kept` (charts, or nothing); `unlabelled`:
        rows of the table of masks without a label; `doubtful`: their subjects that have to be looked at; `labels`: rows
        of the labels to look at again; `order`: subjects to label next, with how sure the networks are; `gain`: a
        sentence; `missed`: rows of the table of what is missed; `calibration`, `alarms`:
        sentences; `lesions`: rows of the table of scores of the delivered masks.
    """
    return {
        "regions": [_describe_region(row, results.mask_quality) for row in results.mask_summary],
        "unlabelled": [
            {"subject": row["subject"], "cells": [row["region"], *_tell(row), row["advice"], row["reason"]]}
            for row in results.unlabelled_masks
        ],
        "missed": [_tell_missed(row) for row in results.missed_tumour],
        "calibration": [_tell_calibration(row) for row in results.mask_calibration if parse_number(row["error"])],
        "lesions": [_tell_lesions(row) for row in results.lesions],
        "alarms": [words for row in results.false_alarms for words in _tell_alarms(row)],
        "order": [
            {"subject": row["subject"], "sure": format_number(row["expected_dice"], 2)}
            for row in results.label_order[:MOST_LABELS]
        ],
        "gain": _tell_gain(results.label_gain),
        "labels": [_tell_label(row) for row in results.label_doubt[:MOST_LABELS]],
        "doubtful": list(dict.fromkeys(str(row["subject"]) for row in results.unlabelled_masks if _is_doubtful(row))),
    }


def _is_doubtful(row):
    return row["advice"] in (LOOK, NONE)


def _tell_missed(row):
    """Make a row of the table of what is missed: region, share, where to cut, what was missed there, size, reason."""
    return [
        row["region"], format_percent(row["share"], 0), format_number(row["threshold"], 2),
        format_percent(row["missed"], 0), format_percent(row["missed_at_half"], 0), format_number(row["size"], 2),
        row["reason"],
    ]  # fmt: skip


def _tell_calibration(row):
    """Say what the probabilities of one region are worth."""
    before, after, single = (
        format_number(row[name], 3) for name in ("error", "error_calibrated", "patient_error_calibrated")
    )
    temperature = format_number(row["temperature"], 2)
    return (
        f"{row['region']}: in and around all masks together, probabilities are off by {before}; by {after} "
        f"once their logarithmic odds are divided by {temperature}, a number fitted to other patients each time. In a "
        f"single patient they are then still off by {single} in the mean."
    )


def _tell_lesions(row):
    """Make a row of the table of delivered masks: region, measure, mean, median, worst three and who they are."""
    digits = 1 if row["measure"] in ("hd95", "lesion_hd95", "volume_error") else 3
    numbers = [format_number(row[name], digits) for name in ("mean", "median", "worst_three")]
    return [row["region"], MEASURED[row["measure"]], *numbers, row["worst"]]


def _tell_alarms(row):
    """Say what was marked in healthy heads in one region."""
    kind = "simulated heads without a tumour" if parse_boolean(row["simulated"]) else "healthy heads"
    note = f"{row['reason'][:1].upper()}{row['reason'][1:]}." if row["reason"] else ""
    if parse_number(row.get("share")) is None:
        return [f"Nothing is said of false alarms: {row['reason']}."]
    mean, largest = format_number(row["mean_ml"], 1), format_number(row["largest_ml"], 1)
    share, span = format_percent(row["share"], 0), [format_percent(row[f"share_{end}"], 0) for end in ("low", "high")]
    told = (
        f"In {row['marked']} of {row['heads']} {kind} the networks mark {row['region']} ({share}, 95 % "
        f"interval {span[0]} to {span[1]}): in the mean {mean} ml "
        f"({format_interval(row['mean_low'], row['mean_high'], 1)}), at most {largest} ml."
    )
    return [told, *([note] if note else [])]


def _tell_gain(rows):
    """Say whether labelling the least certain patients first beat a random order on the labelled ones."""
    row = rows[0] if rows else {"reason": "nothing was replayed"}
    if row["reason"]:
        return f"Whether this order beats a random one is not known: {row['reason']}."
    found = {
        "helps": "asking for the least certain first beat a random order",
        "hurts": "asking for the least certain first was worse than a random order, so draw patients at random",
        "undecided": "it is not shown that asking for the least certain first beats a random order",
    }[row["verdict"]]
    gain = f"{format_number(row['gain'], 3, signed=True)}, {format_interval(row['low'], row['high'], 3, signed=True)}"
    return (
        f"Replayed on your {row['patients']} labelled patients with classifiers of supervoxels, {found}: with "
        f"{row['fewest_labels']} to {row['most_labels']} labels the Dice of other patients differed by {gain}."
    )


def _tell_label(row):
    """Describe how much a label is contradicted."""
    value, expected = (format_percent(row[name], 0) for name in ("value", "expected"))
    words = f"{value} {CONTRADICTED[row['measure']]}; such masks lead to expect {expected}"
    return {"subject": row["subject"], "cells": [row["region"], format_number(row["doubt"], 1), words]}


def tell_subject_label(results, subject):
    """Say how doubtful a subject's label is, if it is among the first to look at again.

    Parameters
    ----------
    results : results.Results
    subject : str

    Returns
    -------
    str
        "" if it is not.
    """
    for row in results.label_doubt[:MOST_LABELS]:
        if str(row["subject"]) == subject:
            region, _, words = _tell_label(row)["cells"]
            return f"number {row['rank']} of {len(results.label_doubt)} labels to look at again ({region}): {words}."
    return ""


def describe_subject(results, subject):
    """Return the rows of a subject's page: region, predicted Dice, its interval, the true Dice, advice and reason.

    Parameters
    ----------
    results : results.Results
    subject : str

    Returns
    -------
    list of list of str
    """
    rows = [row for row in (*results.mask_quality, *results.unlabelled_masks) if str(row["subject"]) == subject]
    return [
        [row["region"], *_tell(row), format_number(row.get("dice"), 2), row["advice"], row["reason"]] for row in rows
    ]


def _tell(row):
    return [format_number(row["predicted"], 2), format_interval(row["low"], row["high"], 2)]


def _describe_region(row, judged):
    """Describe how far statements on one region's masks hold."""
    told = [_read_numbers(mask) for mask in judged if mask["region"] == row["region"]]
    told = [mask for mask in told if mask["predicted"] is not None]
    charts = {"predicted": "", "kept": ""}
    if len(told) >= FEWEST:
        predicted, dice = (np.array([mask[name] for mask in told]) for name in ("predicted", "dice"))
        lines = [("by predicted Dice", risk_coverage(predicted, dice)), ("best order", risk_coverage(dice, dice))]
        lines.append(("any order", np.full(len(dice), dice.mean())))
        charts = {"predicted": draw_predicted(told), "kept": draw_kept(lines)}
    name = name_region(row["region"])
    return {"name": f"{name[:1].upper()}{name[1:]} masks", "words": _list_words(row), **charts}


def _read_numbers(mask):
    return {"subject": mask["subject"]} | {name: parse_number(mask[name]) for name in NUMBERS}


def _list_words(row):
    """List what the numbers of one region say."""
    if row["reason"]:
        return [f"Nothing is said of single masks: {row['reason']}."]
    if parse_number(row["coverage"]) is None:
        return ["Too few masks were scored to say how far such statements hold."]
    level = format_percent(row["level"], 0)
    covered, error, mean, width = (
        format_percent(row["coverage"], 0),
        *(format_number(row[name], 2) for name in ("error", "error_of_mean", "width")),
    )
    words = [
        f"Of {row['told']} labelled masks, each judged without its own label, {covered} have their true Dice in the "
        f"interval ({_percents(row)}); {level} was promised.",
        f"The predicted Dice is off by {error} in the mean, the mean Dice of the other patients by {mean}. "
        f"An interval is {width} wide.",
    ]
    if (parse_number(row["coverage_high"]) or 0) < float(row["level"]):
        words.insert(1, "That is less than was promised: do not rely on the intervals of this run.")
    low = parse_number(row["rank_low"])
    rank = f"{format_number(row['rank'], 2)}, {format_interval(row['rank_low'], row['rank_high'], 2)}"
    if low is None or low <= 0:
        words.append(f"It is not shown that it tells better masks from worse ones (rank correlation {rank}).")
    else:
        words.append(f"It puts masks in order: the rank correlation with the true Dice is {rank}.")
    accept = format_number(row["accept"], 2)
    words.append(
        f"{row['usable']} masks were called usable, since their interval begins at {accept} or above; "
        f"{row['usable_below']} of these were worse than {accept}."
    )
    return words


def _percents(row):
    return f"95 % interval {format_percent(row['coverage_low'], 0)} to {format_percent(row['coverage_high'], 0)}"
