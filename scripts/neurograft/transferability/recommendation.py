"""Rank the sources to try first, from transferability scores alone, and describe how reliable the ranking is.

Tables are lists of dicts, one for each row.
"""

from pathlib import Path

import numpy as np
from scipy import stats

from neurograft.core import tables
from neurograft.transferability.scores import SCORES, number

WARNING = (
    "No transferability score is reliable on medical tasks (Chaves et al. 2023, arXiv 2308.07444): this ranking says "
    "what to try first, not what will help. Only training tells."
)


def rank_sources(rows):
    """Rank sources by the mean of their ranks over the scores.

    A source without a value is left out of that score, and the ranks of the other k sources are stretched to all n:
    rank r counts as `0.5 + (r - 0.5) n / k`. So it is no advantage to be one of few sources with a value. Equal values
    share the mean of their ranks.

    Parameters
    ----------
    rows : list of dict
        Rows of `transfer_scores.tsv` for one space; values are numbers or text.

    Returns
    -------
    list of dict
        `rank` (the same for equal mean ranks), `source`, `mean_rank`, `scores` (number of scores in the mean),
        `patients`, a column for the value of each score, and `reason` if there is no rank; best first.
    """
    named = list(dict.fromkeys(row["source"] for row in rows))
    ranks, values = {name: [] for name in named}, {name: {} for name in named}
    for score, better in {row["score"]: row["better"] for row in rows}.items():
        scored = {row["source"]: number(row["value"]) for row in rows if row["score"] == score}
        for name, value in scored.items():
            values[name][score] = value
        scored = {name: value for name, value in scored.items() if np.isfinite(value)}
        # rounded to 9 digits, so that rounding errors do not rank the sources
        signed = [float(f"{value if better == 'lower' else -value:.9g}") for value in scored.values()]
        for name, rank in zip(scored, stats.rankdata(signed) if scored else ()):
            ranks[name].append(0.5 + (rank - 0.5) * len(named) / len(scored))
    means = {name: round(float(np.mean(each)), 6) if each else np.nan for name, each in ranks.items()}
    ranked = []
    for name in sorted(named, key=lambda name: (np.isnan(means[name]), means[name])):
        first = next(row for row in rows if row["source"] == name)
        place = 1 + sum(other < means[name] for other in means.values()) if ranks[name] else None
        row = {"rank": place, "source": name, "mean_rank": means[name], "scores": len(ranks[name])}
        reason = "" if ranks[name] else first["reason"]
        ranked.append(row | {"patients": int(first["patients"]), **values[name], "reason": reason})
    return ranked


def describe_recommendation(ranked, audited=()):
    """Describe a ranking in plain words, and how reliable it is.

    Parameters
    ----------
    ranked : list of dict
        From `rank_sources`.
    audited : list of dict
        Rows of `audit.tsv`, if the scores were compared with gains measured on this cohort.

    Returns
    -------
    list of str
    """
    placed = [row for row in ranked if row["rank"] is not None]
    patients = max((row["patients"] for row in placed), default=0)
    if placed:
        lines = [f"Sources, the most promising first, by their frozen features of {patients} labelled patients:"]
        lines += ["", _line("rank", "source", "mean rank", "of scores")]
        for row in placed:
            tied = "=" * (sum(other["rank"] == row["rank"] for other in placed) > 1)
            lines.append(_line(f"{row['rank']}{tied}", row["source"], f"{row['mean_rank']:.2f}", row["scores"]))
    else:
        lines = ["No source could be scored."]
    lines += [f"{row['source']}: not ranked ({row['reason']})" for row in ranked if row["rank"] is None]
    if len(placed) == 1:
        lines.append("One source alone has nothing to be ranked against.")
    return [*lines, "", WARNING, *_audit_lines(audited)]


def recommend_sources(rows, audit, barred=None):
    """Rank the sources of one space, and describe the ranking.

    Parameters
    ----------
    rows : list of dict
        As in `rank_sources`.
    audit : str or Path
        `audit.tsv` of an earlier run of this cohort; it need not exist.
    barred : dict of str to str, optional
        Source that has seen the patients to the reason: listed without a rank.

    Returns
    -------
    ranked : list of dict
    words : list of str
    """
    reasons = barred or {}
    rows = [
        row | {"value": "n/a", "reason": reasons[row["source"]]} if row["source"] in reasons else row for row in rows
    ]
    ranked = rank_sources(rows)
    return ranked, describe_recommendation(ranked, tables.read_table(audit) if Path(audit).exists() else ())


def _audit_lines(audited):
    """Describe how well the scores predicted the gains on this cohort, as far as this is known."""
    if not audited:
        return ["On this cohort they have not been held against measured gains: see docs/how-to/choose-a-source.md."]
    lines = ["Held against the gains that the frozen strategy had on this cohort:"]
    return lines + [f"  {row['score']}: {row['verdict']} ({row['reason']})" for row in audited]


def _line(rank, source, mean, scores):
    """Write one line of the table."""
    return f"{rank:>4}  {source:<28}{mean:>9}  {scores:>9}"


# columns of `recommendation.tsv`
RANKED = ("rank", "source", "mean_rank", "scores", "patients", *SCORES, "reason")
