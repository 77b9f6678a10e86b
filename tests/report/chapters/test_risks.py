"""The five risks: what was counted, against which control, and what is never read into it."""

import numpy as np

from helpers.fake_claims import ARM, cell, claim, compared, gaps, scored, spread, transferability
from neurograft.report.chapters import risks
from neurograft.report.results import Results


def test_patients_that_lose_are_counted_with_an_interval():
    row = claim("Limited transferability", **transferability(0, True))
    # Wilson's interval of 2 of 3
    assert "2 of 3 patients score lower than with scratch (95 % CI 21 to 94 %)" in row["figure"]
    assert "do not use: transferability scores" in row["verdict"] and "do not use (1)" in row["figure"]
    alone = claim("Limited transferability", comparison=[compared("undecided", 0, -0.1, 0.1)], scores=scored([0.1]))
    assert alone["state"] == "not measured"


def test_scratch_of_the_same_source_is_the_control_and_else_the_mean_of_the_others():
    first = compared("undecided", 0.0, -0.1, 0.1)
    scores = scored([0.1, 0.1]) + scored([0.0, 0.0], strategy="scratch", source="s")
    scores += scored([0.3, 0.3], strategy="scratch", source="t")
    row = claim("Limited transferability", comparison=[first], scores=scores)
    assert "0 of 2 patients score lower" in row["figure"]
    # s and t have a mean of 0.15, and u has no scratch of its own
    other = [one | {"source": "u"} for one in scores[:2]] + scores[2:]
    row = claim("Limited transferability", comparison=[first | {"source": "u"}], scores=other)
    assert "2 of 2 patients score lower" in row["figure"]


def test_what_did_not_fit_is_counted_by_reason():
    cells = [cell(0, trained=True, loaded_share=0.97, not_loaded={"head": "not in the source"})]
    cells += [cell(1, trained=False, reason="adabn needs BatchNorm")]
    splits = {"tasks": {"segmentation": {"left_out": {"A": "lacks flair", "B": "lacks flair"}}}}
    row = claim("Inflexibility", cells=cells, splits=splits)
    for words in ("97.0 %", "head (not in the source)", "1 of 2 not trained: adabn needs BatchNorm", "2 subjects left"):
        assert words in row["figure"]
    assert (row["verdict"], row["state"]) == ("seen", "in part")
    clean = claim("Inflexibility", cells=[cell(0, trained=True, loaded_share=1.0, not_loaded={})])
    assert clean["verdict"] == "not seen"


def test_the_cost_of_a_wrong_choice_counts_every_pair():
    base = spread(0, 20, 0.1)
    names = ("lp-ft", "frozen", "lora", "l2-sp", "gradual", "fine-tune")
    apart = [one for at, name in enumerate(names) for one in scored(base - 0.1 * at, strategy=name)]
    row = claim("Expertise needed", scores=apart)
    assert row["verdict"] == "the choice matters" and "lp-ft above fine-tune by +0.500" in row["figure"]
    assert claim("Expertise needed", scores=scored(base))["state"] == "not measured"


def test_the_best_of_many_equal_strategies_is_no_evidence():
    generator, claimed = np.random.default_rng(1), 0
    for _ in range(100):
        scores = []
        for name in ("lp-ft", "frozen", "lora", "l2-sp", "gradual", "fine-tune"):
            scores += scored(generator.normal(0, 0.1, 10), strategy=name)
        findings, _ = risks.expertise_needed(Results(scores=scores))
        claimed += findings[0]["verdict"] == "the choice matters"
    # 18 of 100 with the plain interval of best against worst
    assert claimed <= 5


def test_a_warning_names_its_cells_and_controls_have_no_verdict():
    rows = gaps(1, True)["overfitting"]
    row = claim("Overfitting", overfitting=[rows[0] | {"warning": "true"}, *rows[1:]])
    assert "scratch (n\xa0=\xa08): gap +0.100; warning: fold 0 seed 0" in row["figure"]
    assert row["verdict"] == "smaller gap"
    alone = claim("Overfitting", overfitting=rows[1::2])
    assert alone["verdict"] == "not shown" and "scratch has no gap to compare with" in alone["figure"]


def test_ethics_has_two_halves():
    private = ARM | {"members": 8, "outsiders": 4, "auc": 0.9, "low": 0.6, "high": 0.99, "control": 0.5}
    private |= {"control_low": 0.2, "control_high": 0.8, "verdict": "members can be told", "reason": "above 0.5"}
    gap = ARM | {"attribute": "sex", "gap": 0.2, "expected": 0.05, "p_adjusted": 0.001, "worst": "F", "reason": ""}
    first = claim("Ethics: bias and privacy", privacy=[private])
    assert (first["state"], first["verdict"]) == ("in part", "members can be told")
    assert "AUC 0.90 (95 % CI 0.60 to 0.99; members against members 0.20 to 0.80)" in first["figure"]
    both = claim("Ethics: bias and privacy", privacy=[private], fairness=[gap])
    assert both["state"] == "measured" and "gap shown: sex with lp-ft from s" in both["verdict"]
    even = claim("Ethics: bias and privacy", fairness=[gap | {"p_adjusted": "0.4"}])
    assert even["verdict"] == "not shown" and "membership inference was not run" in even["figure"]
    few = gap | {"gap": "n/a", "expected": "n/a", "p_adjusted": "n/a", "reason": "fewer than two groups"}
    assert claim("Ethics: bias and privacy", fairness=[few])["verdict"] == "refused"
    several = claim("Ethics: bias and privacy", fairness=[few | {"attribute": name} for name in ("sex", "site", "age")])
    assert several["figure"].count("fewer than two groups") == 1 and several["verdict"] == "refused"
