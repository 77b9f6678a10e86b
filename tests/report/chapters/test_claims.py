"""The eleven claims: each measured or not, in either direction, and never more than an interval supports."""

import pytest

from helpers.fake_assessment import COHORT, SPLIT, run, straight
from helpers.fake_claims import ARM, SCRATCH, claim, compared, gaps, labels, scored, spread, times, transferability
from helpers.fake_run import Experiment, make_run
from helpers.fake_transfer import add_transfer
from neurograft.core import tables
from neurograft.evaluation import assessment, comparison
from neurograft.experiment import cell_folder
from neurograft.report import sentences
from neurograft.report.chapters import claims
from neurograft.report.results import Results

# good, bad and undecided words of each claim whose verdict has two directions
WORDS = {
    "Less training time": ("saved", "lost", "not shown"),
    "Better performance": ("helps", "hurts", "undecided"),
    "Fewer labels": ("saved", "lost", "not shown"),
    "Better generalisation": ("loses less", "loses more", "not shown"),
    "Better use of data": ("gained", "lost", "not shown"),
    "Faster deployment": ("saved", "lost", "not shown"),
    "Limited transferability": ("pretraining counts", "worse than random features", "not shown"),
    "Overfitting": ("smaller gap", "wider gap", "not shown"),
}


def performance(effect, sure):
    verdict = {1: "helps", -1: "hurts", 0: "undecided"}[effect] if sure else "refused"
    return {"comparison": [compared(verdict, 0.05 * effect, 0.05 * effect - 0.02, 0.05 * effect + 0.02)]}


def sites(effect, sure):
    row = {key: ARM[key] for key in ("task", "source", "strategy", "space", "n")}
    row |= {"patients": 10, "sites": 4, "in_site": 0.8, "cross_site": 0.7, "mean": 0.1, "low": 0.05, "high": 0.15}
    row |= {"less": 0.05 * effect, "less_low": "", "less_high": "", "reason": ""}
    ends = {"less_low": 0.05 * effect - 0.02, "less_high": 0.05 * effect + 0.02}
    return {"generalisation": [row | (ends if sure else {})]}


def data(effect, sure):
    count, folds = (10, 5) if sure else (1, 1)
    base = spread(0, count, 0.1)
    own = base + spread(0.05 * effect, count, 0.01)
    scores = scored(own, folds, source="self-masked") + scored(base, folds, source="efficientnet-lite0")
    return {"scores": scores}


MAKERS = {
    "Less training time": times, "Better performance": performance, "Fewer labels": labels,
    "Better generalisation": sites, "Better use of data": data, "Faster deployment": times,
    "Limited transferability": transferability, "Overfitting": gaps,
}  # fmt: skip


@pytest.mark.parametrize("name", WORDS)
def test_the_verdict_follows_the_interval_in_both_directions(name):
    good, bad, neither = WORDS[name]
    for effect, word in ((1, good), (-1, bad), (0, neither)):
        row = claim(name, **MAKERS[name](effect, True))
        assert row["verdict"].split(": ")[0].split(";")[0] == word, row
        assert row["state"] == "measured" and "lp-ft" in row["figure"]


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("effect", [1, -1])
def test_without_an_interval_nothing_is_claimed(name, effect):
    row = claim(name, **MAKERS[name](effect, False))
    assert row["verdict"].split(": ")[0] in ("not shown", "refused") and row["figure"]
    assert not any(word in row["verdict"] for word in WORDS[name][:2])


def test_an_empty_run_measures_nothing_and_says_why():
    rows = claims.list_claims(Results())
    assert len(rows) == 11 and [row["side"] for row in rows].count("promise") == 6
    for row in rows:
        assert set(row) == set(claims.COLUMNS)
        assert row["verdict"] == row["state"] == "not measured" and len(row["figure"]) > 20 and row["how"]


def test_a_full_run_measures_all_but_the_unlabelled_scans():
    run = add_transfer(make_run(patients=8, experiment=Experiment(folds=4, sizes=("2", "all"))))
    rows = {row["claim"]: row for row in claims.list_claims(Results(**run))}
    assert rows["Better use of data"]["state"] == "not measured"
    assert rows["Better use of data"]["figure"] == "no source was pretrained on the cohort's unlabelled subjects"
    assert {row["state"] for name, row in rows.items() if name != "Better use of data"} == {"measured", "in part"}


def test_rows_of_another_space_answer_another_question():
    made = labels(1, True)
    made["labels_saved"][0]["space"] = "native"
    primary = {"space": "MNI152", "split": "folds"}
    assert claim("Fewer labels", **made, primary=primary)["state"] == "not measured"
    assert claim("Fewer labels", **labels(1, True), primary=primary)["verdict"] == "saved"


def test_verdicts_are_grouped_and_what_is_shown_stands_first():
    lines = [sentences.finding(name, "", "not shown") for name in "abc"] + [sentences.finding("d", "", "saved")]
    assert claims.sum_up(lines) == "saved: d;\nnot shown: a, b and 1 more"
    assert claims.sum_up(lines[:3]) == "not shown" and claims.sum_up([]) == "not measured"


def test_the_report_leaves_out_a_source_that_all_share():
    rows = claims.list_claims(Results(**times(1, True)))
    shown = claims.show_claims(rows, scored([0.1]) + scored([0.1], **SCRATCH))
    assert shown["source"] == "s" and shown["rows"][0]["lines"][0].startswith("lp-ft: ")
    two = claims.show_claims(rows, scored([0.1]) + scored([0.1], source="t"))
    assert two["source"] == "" and two["rows"][0]["lines"][0].startswith("lp-ft from s: ")
    assert "no adjusted p" in claims.RULE


def test_what_was_not_measured_is_one_line_with_what_would_measure_it():
    shown = claims.show_claims(claims.list_claims(Results()), [])
    assert shown["rows"] == [] and [claim for claim, _ in shown["missing"]] == [claim for claim, *_ in claims.CLAIMS]
    assert set(claims.MEASURED_BY) == {claim for claim, *_ in claims.CLAIMS}
    assert all("`" not in key for _, key in shown["missing"])
    some = claims.show_claims(claims.list_claims(Results(**times(1, True))), scored([0.1]))
    assert "Less training time" in [row["claim"] for row in some["rows"]]
    assert "Fewer labels" in dict(some["missing"])


def test_claims_are_read_from_the_tables_that_the_assessment_writes(tmp_path):
    fast, leaking = {"arrival": 10, "seconds": 0.5}, {"leak": 0.3, "arrival": 30}
    options = {"frozen": fast, "lp-ft": leaking, "quality": straight}
    folders, scores = run(tmp_path, ("scratch", "frozen", "lp-ft"), ("4", "8"), **options)
    away = run(tmp_path, ("scratch", "frozen"), ("8",), "sites", quality=straight)
    scores += away[1]
    results = {}
    networks = assessment.read_networks(folders + away[0])
    for name, rows in assessment.assess_transfer(networks, scores, SPLIT, COHORT).items():
        tables.write_table(tmp_path / f"{name}.tsv", rows, assessment.COLUMNS[name])
        results[name] = tables.read_table(tmp_path / f"{name}.tsv")
    cells = [cell_folder.read_cell(folder) for folder in folders]
    primary = {"space": cells[0]["space"], "split": "folds"}
    results |= {"scores": scores, "comparison": comparison.compare_strategies(scores, None, primary)}
    rows = {row["claim"]: row for row in claims.list_claims(Results(**results, cells=cells, primary=primary))}
    for name in ("Less training time", "Faster deployment"):
        assert rows[name]["verdict"] == "saved: frozen from s;\nlost: lp-ft from s"
    assert rows["Better performance"]["verdict"] == "helps" and rows["Better generalisation"]["verdict"] == "not shown"
    assert "scratch needs 8 patients" in rows["Fewer labels"]["figure"] and rows["Fewer labels"]["verdict"] == "saved"
    assert rows["Overfitting"]["verdict"].startswith("wider gap: lp-ft from s")
    assert rows["Ethics: bias and privacy"]["verdict"].startswith("members can be told: privacy of lp-ft from s")
