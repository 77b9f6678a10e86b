"""The five risks claimed for transfer learning, measured from the tables of a run; functions as in `benefits`."""

from collections import Counter, defaultdict

import numpy as np
from scipy.stats import binomtest

from neurograft.core.cells import find_kin
from neurograft.core.strategies import CONTROLS
from neurograft.core.tables import parse_boolean, parse_number
from neurograft.report import summaries
from neurograft.report.sentences import (
    finding,
    format_difference,
    format_interval,
    format_number,
    format_percent,
    format_significant,
    join_names,
    name_arm,
    name_arm_key,
)
from neurograft.stats.clustered_error import LEVEL
from neurograft.stats.multiplicity import ALPHA


def limited_transferability(results):
    """Count the patients who score lower with transfer, and compare pretrained features with random ones."""
    scores, comparison = results.scores, results.comparison
    findings, missing, kin = [], [], find_kin(results.sources)
    for row in summaries.primary_rows(comparison):
        words = _worse_patients(scores, row, kin)
        against = summaries.control_row(comparison, row)
        verdict = summaries.NOT_SHOWN
        if against and parse_number(against["mean_difference"]) is not None:
            words += f"; difference from a frozen random encoder {format_difference(against)}"
            # never a stronger claim than the verdict on the same scores
            if row["verdict"] != "refused":
                ends = parse_number(against["low"]), parse_number(against["high"])
                verdict = summaries.read_interval(*ends, "pretraining counts", "worse than random features")
        else:
            missing.append("frozen-random was not scored, so pretraining cannot be told from any other fixed features")
        if words:
            findings.append(finding(name_arm(row), words.removeprefix("; "), verdict))
    audit = Counter(row["verdict"] for row in results.audit)
    if findings and audit:
        words = ", ".join(f"{verdict} ({count})" for verdict, count in audit.most_common())
        findings.append(finding("transferability scores", words, next(iter(audit)) if len(audit) == 1 else "mixed"))
    if not findings:
        return [], ["no transfer strategy was scored against training from scratch on the same patients"]
    missing += [] if audit else ["transferability scores were not audited"]
    return findings, list(dict.fromkeys(missing))


def _worse_patients(scores, row, kin):
    """Describe the share of the patients who score lower than with scratch, or return nothing."""
    means = summaries.patient_means(scores, row["task"], row["region"] or "", row["metric"])
    scored = means.get(summaries.arm_key(row), {})
    controls = {arm[1]: values for arm, values in means.items() if arm[2:] == ("scratch", str(row["n"]))}
    scratch = summaries.find_control_scores(controls, str(row["source"]), kin)
    both = [patient for patient in scored if patient in scratch]
    if not both:
        return ""
    worse = sum(scored[patient] < scratch[patient] for patient in both)
    ends = binomtest(worse, len(both)).proportion_ci(method="wilson")
    words = f"{worse} of {len(both)} patients score lower than with scratch"
    return f"{words} (95 % CI {format_interval(100 * ends.low, 100 * ends.high, 0)} %)"


def inflexibility(results):
    """Count what did not fit: weights that could not be loaded, networks not trained, subjects left out."""
    cells, findings = results.cells, []
    loading = defaultdict(list)
    for cell in cells:
        if parse_number(cell.get("loaded_share")) is not None:
            loading[str(cell["source"])].append(cell)
    for source, loaded in sorted(loading.items()):
        share = min(summaries.numbers(loaded, "loaded_share"))
        why = {name: words for cell in loaded for name, words in (cell.get("not_loaded") or {}).items()}
        words = f"{format_percent(share)} of the encoder's weights loaded"
        words += f"; not loaded: {join_names(f'{name} ({reason})' for name, reason in why.items())}" if why else ""
        findings.append(finding(source, words, "seen" if why or share < 1 else "not seen"))
    untrained = Counter(
        str(cell.get("reason") or "no reason") for cell in cells if not parse_boolean(cell.get("trained", True))
    )
    for reason, count in untrained.most_common(3):
        findings.append(finding("networks", f"{count} of {len(cells)} not trained: {reason}", "seen"))
    for task, split in results.splits.get("tasks", {}).items():
        reasons = Counter(split.get("left_out", {}).values())
        for reason, count in reasons.most_common(2):
            findings.append(finding(task, f"{count} subjects left out: {reason}", "seen"))
    if not findings:
        return [], ["no network loaded the weights of a source"]
    return findings, ["the cost of adapting the first layer to these sequences is not measured"]


def expertise_needed(results):
    """Measure the spread between the strategies of one source, which bounds the cost of a wrong choice."""
    means = summaries.patient_means(results.scores, *summaries.main_measure(results.scores))
    rows = [dict(zip(("task", "source", "strategy", "n"), arm, strict=True)) for arm in means]
    sources = defaultdict(list)
    for row in summaries.keep_largest_n(summaries.transferred(rows)):
        sources[row["source"]].append(summaries.arm_key(row))
    folds = summaries.tested_folds(results.scores)
    findings = [_spread(means, arms, folds) for arms in sources.values() if len(arms) > 1]
    return findings, [] if findings else ["this needs two transfer strategies with the same source"]


def _spread(means, arms, folds):
    """Compare the best with the worst strategy, with an interval that holds for all pairs at once."""
    ranked = sorted(arms, key=lambda arm: float(np.mean(list(means[arm].values()))))
    worst, best = ranked[0], ranked[-1]
    # they were picked for their scores, so the interval has Bonferroni's correction for all pairs
    pairs = len(arms) * (len(arms) - 1) / 2
    difference = summaries.pair_patients(means[best], means[worst], folds[best], 1 - (1 - LEVEL) / pairs)
    words = f"{best[2]} above {worst[2]} by {format_difference(difference)}, of {len(arms)} strategies"
    verdict = summaries.read_interval(difference["low"], difference["high"], "the choice matters", "the choice matters")
    return finding(best[1], words, verdict)


def overfitting(results):
    """Compare the gap between training and test patients with that of scratch, and name networks with a wide gap."""
    rows = summaries.keep_one_task(summaries.keep_primary(results.overfitting, results.primary))
    findings = []
    for arm, gaps in gaps_against_scratch(rows, find_kin(results.sources), results.repeats).items():
        words, verdict = f"gap {format_number(gaps['gap'], signed=True)}", ""
        if arm[2] not in CONTROLS:
            words += f", minus that of scratch {format_difference(gaps)}, {gaps['folds']} folds"
            verdict = summaries.read_interval(gaps["low"], gaps["high"], "smaller gap", "wider gap", better="lower")
        warned = [f"fold {row['fold']} seed {row['seed']}" for row in gaps["rows"] if parse_boolean(row.get("warning"))]
        words += f"; warning: {join_names(warned, 6)}" if warned else ""
        findings.append(finding(name_arm_key(arm, n=True), words, verdict))
    missing = [] if findings else ["the finished networks were not scored on their training patients"]
    if findings and not any(row["strategy"] == "scratch" for row in rows):
        missing.append("scratch has no gap to compare with")
    return findings, missing


def gaps_against_scratch(rows, kin=None, repeats=None):
    """Measure the gap between training and test patients, and compare it with that of scratch in the same fold.

    Parameters
    ----------
    rows : list of dict
        Of `overfitting.tsv`.
    kin : dict, optional
        From `cells.find_kin`.
    repeats : dict, optional
        As in `summaries.pair_folds`.

    Returns
    -------
    dict of tuple to dict
        Arm to its mean `gap`, `train` and `test`, its `rows`, and the gap minus that of scratch over folds
        (`summaries.pair_folds`).
    """
    measured = [row for row in rows if parse_number(row.get("gap")) is not None]
    scratch = defaultdict(dict)
    for row in measured:
        if row["strategy"] == "scratch":
            scratch[_place(row)][str(row["source"])] = parse_number(row["gap"])
    gaps = {}
    for arm, group in summaries.group_by_arm(measured).items():
        folds = defaultdict(list)
        for row in group if arm[2] != "scratch" else ():
            gap, other = parse_number(row["gap"]), summaries.find_control(scratch[_place(row)], arm[1], kin)
            if gap is not None and other is not None:
                folds[str(row["fold"])].append(gap - other)
        means = {side: float(np.mean(summaries.numbers(group, side))) for side in ("gap", "train", "test")}
        gaps[arm] = summaries.pair_folds(folds, repeats) | means | {"rows": group}
    return gaps


def _place(row):
    """Return what a cell has in common with the scratch that it is compared with."""
    return tuple(str(row.get(name)) for name in ("task", "space", "split", "n", "fold", "seed"))


def name_cell(row):
    """Name a cell of the experiment."""
    return f"{name_arm(row)}, n {row['n']}, fold {row['fold']}, seed {row['seed']}"


def ethics(results):
    """Measure whether training patients can be recognised, and whether groups of patients score differently."""
    findings, missing = [], []
    members = summaries.keep_largest_n(summaries.keep_primary(results.privacy, results.primary))
    for row in members:
        if parse_number(row["auc"]) is not None:
            interval, control = (
                format_interval(row[low], row[high], 2)
                for low, high in (("low", "high"), ("control_low", "control_high"))
            )
            words = f"AUC {format_number(row['auc'], 2)} (95 % CI {interval}; members against members {control})"
        else:
            words = row["reason"]
        findings.append(finding(f"privacy of {name_arm(row)}", words, row["verdict"]))
    groups = summaries.keep_largest_n(summaries.keep_primary(results.fairness, results.primary))
    for row in groups:
        words, verdict = row["reason"], "refused"
        if parse_number(row["gap"]) is not None:
            gap, expected = (format_number(row[name]) for name in ("gap", "expected"))
            words = f"gap {gap}, {expected} expected by chance, "
            words += f"adjusted p {format_significant(row['p_adjusted'])}, lowest {row['worst']}"
            verdict = "gap shown" if float(row["p_adjusted"]) < ALPHA else summaries.NOT_SHOWN
        findings.append(finding(f"{row['attribute']} with {name_arm(row)}", words, verdict))
    missing += [] if members else ["membership inference was not run"]
    missing += [] if groups else ["no column of the cohort table names groups of patients to compare"]
    return _gather_refused(findings), missing


def _gather_refused(findings):
    """Merge the findings that were refused for the same reason into one."""
    alike = defaultdict(list)
    for row in findings:
        alike[row["figure"] if row["verdict"] == "refused" else row["name"]].append(row)
    return [
        rows[0] if len(rows) == 1 else finding(join_names([row["name"] for row in rows]), words, "refused")
        for words, rows in alike.items()
    ]
