"""The chapter on control splits: what was published, what a split by slice gives, what a split by patient gives."""

from neurograft.core.control_splits import folds_of, has_random_labels, is_control
from neurograft.core.tables import parse_number
from neurograft.evaluation.replay import METRICS, STUDIES, map_verdicts
from neurograft.report.charts.replay import draw_replay
from neurograft.report.sentences import (
    MEASURES,
    NO_VALUE,
    format_interval,
    format_number,
    name_arm,
    stack,
)

SPLITS = {"slices": "by slice", "own": "as the set is divided"}
NUMBERS = ("score", "by_patient", "inflation", "low", "high", "random", "random_by_patient", "guess", "random_guess")


def describe_replay(results):
    """Describe what the control splits of a run give beside the split by patient.

    Parameters
    ----------
    results : results.Results

    Returns
    -------
    dict
        Empty without control splits. Otherwise `study` (its words, or ""), `counts` (words for each control split),
        `folds` and `seeds`, `sentences`, `panels` (`title`, `svg`), `table` (one row per network, split and metric),
        `dice` (one row per method) and `published_dice`.
    """
    rows = [{**row, **{key: parse_number(row[key]) for key in NUMBERS}} for row in results.replay]
    if not rows:
        return {}
    study = STUDIES.get(results.config.get("replay", {}).get("study", ""))
    published = dict(study["numbers"]) if study else {}
    verdicts = map_verdicts(results.comparison)
    splits = list(dict.fromkeys(row["split"] for row in rows))
    return {
        "study": f"{study['words']}." if study else "",
        "counts": [_count(next(row for row in rows if row["split"] == split)) for split in splits],
        "folds": int(rows[0]["folds"]),
        "seeds": int(rows[0]["seeds"]),
        "sentences": [_sum_up(row, published.get("accuracy")) for row in _find_main(rows)],
        "panels": [_draw(rows, split, published) for split in splits],
        "table": [_fill_row(row, published, verdicts) for metric in METRICS for row in rows if row["metric"] == metric],
        "dice": [
            [row["method"], format_number(row["dice"]), format_interval(row["low"], row["high"]), row["patients"]]
            for row in results.replay_dice
        ],
        "published_dice": format_number(published.get("dice")) if "dice" in published else "",
    }


def describe_controls(cite, config, splits):
    """Write the methods' sentences on control splits, with `cite` of `methods.write_methods`; none without any."""
    controls = [split for split in splits if is_control(split)]
    if not controls:
        return []
    ways = {
        "slices": "by slice, so that slices of one patient were in training and test",
        "own": "as the set itself is divided into training and test",
    }
    named = [words for split, words in ways.items() if split in map(folds_of, controls)]
    study = STUDIES.get(config.get("replay", {}).get("study", ""))
    cited = ["yagis", study["cite"]] if study else ["yagis"]
    sentences = [
        cite("As a control, the same networks were trained for as many steps on the same pictures split "
             + " and ".join(named or ["by patient with other labels"])
             + ". Their scores were compared slice by slice with those by patient; the 95 % confidence intervals are "
             "jackknife intervals over patients. No verdict is about them.", *cited)
    ]  # fmt: skip
    if any(map(has_random_labels, controls)):
        sentences.append(
            cite("What a leak alone buys was measured with labels permuted among patients, in training and test.")
        )
    return sentences


def _find_main(rows):
    """Find the accuracy of each source's network that was trained the most like the published ones, in each split."""
    accuracies = [row for row in rows if row["metric"] == "accuracy"]
    tuned = [row for row in accuracies if row["strategy"] == "fine-tune"]
    return tuned or accuracies


def _count(row):
    """Say over what a control split is compared."""
    return (
        f"{SPLITS[row['split']]} {row['slices']} slices of {row['patients']} patients, {row['shared']} of them in "
        "training too"
    )


def _sum_up(row, published):
    """Say in a sentence what one network has in the control split and by patient."""
    name = name_arm(row)
    words = (
        f"{name}: {SPLITS[row['split']]} {format_number(row['score'])}, by patient {format_number(row['by_patient'])}"
        f" (guessing {format_number(row['guess'])})"
    )
    if published is not None:
        words += f"; published {format_number(published)}"
    interval = format_interval(row["low"], row["high"], signed=True)
    words += f". Inflation {format_number(row['inflation'], signed=True)}"
    words += f" (95 % interval over patients {interval})." if interval != NO_VALUE else ", without an interval."
    if row["random"] is not None:
        words += (
            f" With labels permuted among patients {SPLITS[row['split']]} {format_number(row['random'])}, by patient "
            f"{format_number(row['random_by_patient'])} (guessing {format_number(row['random_guess'])})."
        )
    return words


def _draw(rows, split, published):
    """Draw the accuracies of one control split."""
    shown = [row | {"name": name_arm(row)} for row in rows if row["split"] == split and row["metric"] == "accuracy"]
    title = f"accuracy over slices, {SPLITS[split]} and by patient"
    return {"title": title, "svg": draw_replay(shown, published.get("accuracy"), title)}


def _fill_row(row, published, verdicts):
    """Make a row of the table."""
    metric, inflation = row["metric"], format_number(row["inflation"], signed=True)
    interval = format_interval(row["low"], row["high"], signed=True)
    random = stack(format_number(row["random"]), f"by patient {format_number(row['random_by_patient'])}")
    return [
        MEASURES[metric],
        name_arm(row),
        SPLITS[row["split"]],
        format_number(published.get(metric)),
        format_number(row["score"]),
        format_number(row["by_patient"]),
        inflation if interval == NO_VALUE else stack(inflation, interval),
        random if row["random"] is not None else NO_VALUE,
        verdicts.get((row["source"], row["strategy"]), "") if metric == METRICS[0] else "",
    ]
