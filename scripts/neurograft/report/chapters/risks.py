"""The five risks claimed of transfer learning, each measured from a run's tables; functions as in `benefits`."""

from collections import Counter, defaultdict

import numpy as np
from scipy.special import stdtrit
from scipy.stats import binomtest

from neurograft.core.cells import find_kin
from neurograft.core.strategies import CONTROLS
from neurograft.core.tables import number, yes
from neurograft.evaluation.metrics import keep_in_range
from neurograft.report import sentences, summaries
from neurograft.stats import comparisons


def limited_transferability(results):
    """Count the patients that transfer leaves worse, and hold pretrained features against random ones."""
    scores, comparison = results.scores, results.comparison
    findings, missing, kin = [], [], find_kin(results.sources)
    for row in summaries.primary_rows(comparison):
        words = _worse_patients(scores, row, kin)
        against = summaries.control_row(comparison, row)
        verdict = summaries.NOT_SHOWN
        if against and number(against["mean_difference"]) is not None:
            words += f"; against a frozen random encoder {_against(against)}"
            # no stronger than the verdict on the same scores
            if row["verdict"] not in ("refused", "not converged"):
                ends = number(against["low"]), number(against["high"])
                verdict = summaries.read_interval(*ends, "pretraining counts", "worse than random features")
        else:
            missing.append("frozen-random was not scored, so pretraining cannot be told from any fixed features")
        if words:
            findings.append(sentences.finding(sentences.name_arm(row), words.removeprefix("; "), verdict))
    audit = Counter(row["verdict"] for row in results.audit)
    if findings and audit:
        words = ", ".join(f"{count} {verdict}" for verdict, count in audit.most_common())
        findings.append(
            sentences.finding("transferability scores", words, next(iter(audit)) if len(audit) == 1 else "mixed")
        )
    if not findings:
        return [], ["no transfer strategy was scored against training from scratch on the same patients"]
    missing += [] if audit else ["transferability scores were not audited"]
    return findings, list(dict.fromkeys(missing))


def _against(row):
    """Write the difference of a row of the comparison."""
    return sentences.write_difference(
        {"mean": number(row["mean_difference"])} | {k: number(row[k]) for k in ("low", "high")}
    )


def _worse_patients(scores, row, kin):
    """Say which share of the patients scores lower than with scratch."""
    means = summaries.patient_means(scores, row["task"], row["region"] or "", row["metric"])
    own = means.get(summaries.arm_key(row), {})
    controls = {arm[1]: found for arm, found in means.items() if arm[2:] == ("scratch", str(row["n"]))}
    base = summaries.find_control(controls, str(row["source"]), kin) or {}
    both = [patient for patient in own if patient in base]
    if not both:
        return ""
    worse = sum(own[patient] < base[patient] for patient in both)
    ends = binomtest(worse, len(both)).proportion_ci(method="wilson")
    words = f"{worse} of {len(both)} patients score lower than with scratch"
    return f"{words} (95 %: {100 * ends.low:.0f} to {100 * ends.high:.0f} %)"


def inflexibility(results):
    """Count what did not fit: weights without a place, networks that could not be trained, subjects left out."""
    cells, findings = results.cells, []
    loading = defaultdict(list)
    for cell in cells:
        if number(cell.get("loaded_share")) is not None:
            loading[str(cell["source"])].append(cell)
    for source, own in sorted(loading.items()):
        share = min(number(cell["loaded_share"]) for cell in own)
        why = {name: words for cell in own for name, words in (cell.get("not_loaded") or {}).items()}
        words = f"{100 * share:.1f} % of the encoder's weights loaded"
        words += f"; not {sentences.some(f'{name} ({reason})' for name, reason in why.items())}" if why else ""
        findings.append(sentences.finding(source, words, "seen" if why or share < 1 else "not seen"))
    untrained = Counter(str(cell.get("reason") or "no reason") for cell in cells if not yes(cell.get("trained", True)))
    for reason, count in untrained.most_common(3):
        findings.append(sentences.finding("networks", f"{count} of {len(cells)} not trained: {reason}", "seen"))
    for task, known in results.splits.get("tasks", {}).items():
        reasons = Counter(known.get("left_out", {}).values())
        for reason, count in reasons.most_common(2):
            findings.append(sentences.finding(task, f"{count} subjects left out: {reason}", "seen"))
    if not findings:
        return [], ["no network loaded the weights of a source"]
    return findings, ["what the adaptation of the first layer to these sequences costs is not measured"]


def expertise_needed(results):
    """Give the spread between the strategies of one source: at most what a wrong choice costs."""
    means = summaries.patient_means(results.scores, *summaries.main_measure(results.scores))
    rows = [dict(zip(("task", "source", "strategy", "n"), arm, strict=True)) for arm in means]
    sources = defaultdict(list)
    for row in summaries.keep_largest_n(summaries.transferred(rows)):
        sources[row["source"]].append(summaries.arm_key(row))
    folds = summaries.owners(results.scores)
    findings = [_spread(means, own, folds) for own in sources.values() if len(own) > 1]
    return findings, [] if findings else ["it takes two transfer strategies of one source"]


def _spread(means, own, folds):
    """Compare the best with the worst strategy, by an interval that holds for every pair of them at once."""
    ranked = sorted(own, key=lambda arm: float(np.mean(list(means[arm].values()))))
    worst, best = ranked[0], ranked[-1]
    made = summaries.pair_patients(means[best], means[worst], folds[best])
    if made["low"] is not None:
        # they were picked for their scores, so the interval is Bonferroni's over all pairs
        both = sorted(set(means[best]) & set(means[worst]))
        values = np.array([means[best][one] - means[worst][one] for one in both])
        groups = np.unique([folds[best][one] for one in both], return_inverse=True)[1]
        error, freedom = comparisons.standard_error(values, groups)
        pairs = len(own) * (len(own) - 1) / 2
        half = float(stdtrit(freedom, 1 - comparisons.ALPHA / 2 / pairs)) * error
        ends = {"low": made["mean"] - half, "high": made["mean"] + half}
        made |= keep_in_range(ends, summaries.SHARE, difference=True)
    words = f"{best[2]} above {worst[2]} by {sentences.write_difference(made)}, of {len(own)} strategies"
    verdict = summaries.read_interval(made["low"], made["high"], "the choice matters", "the choice matters")
    return sentences.finding(best[1], words, verdict)


def overfitting(results):
    """Hold the gap between training and test patients against scratch's, and name the cells with a wide one."""
    rows = summaries.keep_one_task(summaries.keep_primary(results.overfitting, results.primary))
    findings = []
    for arm, made in gaps_against_scratch(rows, find_kin(results.sources)).items():
        words, verdict = f"gap {sentences.write_signed(made['gap'])}", ""
        if arm[2] not in CONTROLS:
            words += f", less that of scratch {sentences.write_difference(made)}, {made['folds']} folds"
            verdict = summaries.read_interval(made["low"], made["high"], "smaller gap", "wider gap", better="lower")
        warned = [f"fold {row['fold']} seed {row['seed']}" for row in made["rows"] if yes(row.get("warning"))]
        words += f"; warning: {sentences.some(warned, 6)}" if warned else ""
        findings.append(sentences.finding(sentences.name_arm_key(arm, n=True), words, verdict))
    missing = [] if findings else ["the finished networks were not scored on their training patients"]
    if findings and not any(row["strategy"] == "scratch" for row in rows):
        missing.append("scratch has no gap to compare with")
    return findings, missing


def gaps_against_scratch(rows, kin=None):
    """Give arm to its mean gap (`gap`, `train`, `test`), and the gap less scratch's over folds (`pair_folds`)."""
    measured = [row for row in rows if number(row.get("gap")) is not None]
    base = defaultdict(dict)
    for row in measured:
        if row["strategy"] == "scratch":
            base[_place(row)][str(row["source"])] = number(row["gap"])
    found = {}
    for arm, group in summaries.group_by_arm(measured).items():
        folds = defaultdict(list)
        for row in group if arm[2] != "scratch" else ():
            other = summaries.find_control(base[_place(row)], arm[1], kin)
            if other is not None:
                folds[str(row["fold"])].append(number(row["gap"]) - other)
        means = {side: float(np.mean([number(row[side]) for row in group])) for side in ("gap", "train", "test")}
        found[arm] = summaries.pair_folds(folds) | means | {"rows": group}
    return found


def _place(row):
    """What a cell shares with the scratch that it is held against."""
    return tuple(str(row.get(name)) for name in ("task", "space", "split", "n", "fold", "seed"))


def name_cell(row):
    """Name a cell of the experiment."""
    return f"{sentences.name_arm(row)}, n {row['n']}, fold {row['fold']}, seed {row['seed']}"


def ethics(results):
    """Give whether members of the training set can be told, and whether groups of patients score apart."""
    findings, missing = [], []
    members = summaries.keep_largest_n(summaries.keep_primary(results.privacy, results.primary))
    for row in members:
        if number(row["auc"]) is not None:
            words = f"AUC {float(row['auc']):.2f} (95 %: {_range(row, 'low', 'high')}; "
            words += f"members against members {_range(row, 'control_low', 'control_high')})"
        else:
            words = row["reason"]
        findings.append(sentences.finding(f"privacy of {sentences.name_arm(row)}", words, row["verdict"]))
    groups = summaries.keep_largest_n(summaries.keep_primary(results.fairness, results.primary))
    for row in groups:
        words, verdict = row["reason"], "refused"
        if number(row["gap"]) is not None:
            words = f"gap {float(row['gap']):.3f}, {float(row['expected']):.3f} expected by chance, "
            words += f"adjusted p {float(row['p_adjusted']):.3g}, lowest {row['worst']}"
            verdict = "gap shown" if float(row["p_adjusted"]) < comparisons.ALPHA else summaries.NOT_SHOWN
        findings.append(sentences.finding(f"{row['attribute']} with {sentences.name_arm(row)}", words, verdict))
    missing += [] if members else ["membership inference was not run"]
    missing += [] if groups else ["no column of the cohort names groups of patients to compare"]
    return _gather_refused(findings), missing


def _gather_refused(findings):
    """Say one reason of refusal once, with the findings that it is the reason of, instead of once for each."""
    alike = defaultdict(list)
    for row in findings:
        alike[row["figure"] if row["verdict"] == "refused" else row["name"]].append(row)
    return [
        rows[0]
        if len(rows) == 1
        else sentences.finding(sentences.some([row["name"] for row in rows]), words, "refused")
        for words, rows in alike.items()
    ]


def _range(row, low, high):
    """Write two ends without signs."""
    ends = [number(row.get(name)) for name in (low, high)]
    return "–" if None in ends else f"{ends[0]:.2f} to {ends[1]:.2f}"
