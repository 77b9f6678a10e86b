"""The chapter on what changed: layers by name and count, scores with their audit, privacy and fairness."""

from xml.etree import ElementTree

from neurograft.report.chapters.changes import describe_audit, describe_fairness, describe_layers, describe_privacy

ARM = {"task": "segmentation", "source": "s", "strategy": "lp-ft", "space": "MNI152", "split": "folds", "n": "8"}
PRIMARY = {"space": "MNI152", "split": "folds"}


def layer(name, stage="1", part="encoder", trained="1.0", change="0.1", **changes):
    row = ARM | {"layer": name, "stage": stage, "part": part, "values": "1000", "trained": trained, "change": change}
    return row | {"statistics_change": "", "cells": 5} | changes


def feature(stage, cka, **changes):
    return ARM | {"stage": stage, "samples": 64, "cka": cka, "low": cka, "high": cka, "cells": 5} | changes


def titles(markup, tag):
    return [node.find("title").text for node in ElementTree.fromstring(str(markup)).iter(tag)]


def test_frozen_layers_are_named_and_counted():
    rows = [layer("head", "", "top", change="0.5"), layer("deep", "2", change="0.2"), layer("shallow", trained="0")]
    (panel,) = describe_layers(rows, [feature("1", 0.9)], PRIMARY)["panels"]
    assert (panel["layers"], panel["trained"], panel["frozen"]) == (3, 2, ["shallow"])
    assert (panel["weights"], panel["weights_trained"], panel["cells"]) == ("3,000", "2,000", 5)
    # from input to output, whatever the table's order; the head is no part of what moved in the encoder
    drawn = [name.split(":")[0] for name in titles(panel["svg"], "rect")]
    assert list(dict.fromkeys(drawn)) == ["shallow", "deep", "head"]
    assert panel["moved"].startswith("deep (0.2)") and "head" not in panel["moved"]


def test_layers_are_shown_of_the_largest_size_of_each_task_controls_last():
    rows = [layer("a", n=n, strategy=name) for n in ("2", "8") for name in ("scratch", "lp-ft", "frozen")]
    rows += [layer("a", task="classification", n="2"), layer("a", space="native")]
    told = describe_layers(rows, [], PRIMARY)
    assert [(panel["task"], panel["title"], panel["n"]) for panel in told["panels"]] == [
        ("segmentation", "frozen from s", "8"), ("segmentation", "lp-ft from s", "8"),
        ("classification", "lp-ft from s", "2"), ("segmentation", "scratch (s)", "8"),
    ]  # fmt: skip
    assert told["more"] == []


def test_many_arms_are_behind_a_fold():
    rows = [layer("a", source=f"s{at:02d}") for at in range(10)]
    told = describe_layers(rows, [], PRIMARY)
    assert len(told["panels"]) == 6 and len(told["more"]) == 4
    assert describe_layers([], [], PRIMARY) == {"panels": [], "more": []}


def test_similarities_are_drawn_by_stage():
    rows = [feature("2", 0.5), feature("1", 0.9), feature("3", "n/a")]
    (panel,) = describe_layers([layer("a"), layer("b", "2")], rows, PRIMARY)["panels"]
    assert titles(panel["svg"], "polygon") == ["stage 1: CKA 0.900", "stage 2: CKA 0.500"]


def transfer_score(source, score, value, **changes):
    row = {"space": "MNI152", "source": source, "score": score, "value": value, "better": "higher", "patients": 8}
    return row | {"left_out": 0, "reason": ""} | changes


def test_scores_have_sources_down_and_scores_across():
    rows = [transfer_score("a", "logme", "-0.5"), transfer_score("b", "logme", 0.25), transfer_score("b", "gbc", 1)]
    rows += [transfer_score("a", "gbc", "", reason="one class"), transfer_score("a", "logme", 1, space="native")]
    audit = [{"score": "logme", "sources": 2, "tau": "", "low": "", "high": "", "verdict": "too few sources"}]
    told = describe_audit(rows, [audit[0] | {"reason": "2 sources"}])
    assert [(space["name"], space["heads"]) for space in told["spaces"]] == [
        ("MNI152", ["logme ↑", "gbc ↑"]), ("native", ["logme ↑"]),
    ]  # fmt: skip
    assert told["spaces"][0]["rows"] == [["a", "−0.500", "–"], ["b", "0.250", "1.000"]]
    assert told["audit"] == [["logme", 2, "–", "–", "too few sources", "2 sources"]]
    assert told["reasons"] == ["gbc of a: one class"]
    assert describe_audit([], []) == {"spaces": [], "audit": [], "reasons": []}


def test_tau_has_its_interval_and_its_verdict():
    row = {"score": "logme", "sources": 6, "tau": 0.6, "low": "-0.1", "high": 0.95, "verdict": "do not use"}
    assert describe_audit([], [row | {"reason": "the interval contains 0"}])["audit"] == [
        ["logme", 6, "+0.60", "−0.10 to +0.95", "do not use", "the interval contains 0"]
    ]


def test_privacy_stands_beside_its_control():
    row = ARM | {"networks": 5, "members": 8, "outsiders": 2, "auc": "0.8", "low": 0.5, "high": 0.95, "control": 0.5}
    row |= {"control_low": 0.2, "control_high": 0.8, "tpr": 0.3, "fpr": 0.5, "chance": 0.66, "verdict": "no evidence"}
    empty = dict.fromkeys(
        ("auc", "low", "high", "control", "control_low", "control_high", "tpr", "fpr", "chance"), "n/a"
    )
    refused = row | empty | {"n": "2", "verdict": "refused", "reason": "2 members"}
    first, second = describe_privacy([row | {"reason": "r"}, refused], PRIMARY)
    assert first[3:] == [
        "8, 2, 5", "0.80<br><small>0.50 to 0.95</small>", "0.50<br><small>0.20 to 0.80</small>",
        "0.30<br><small>at 0.50; by chance 0.66</small>", "no evidence", "r",
    ]  # fmt: skip
    assert second[4:] == ["–", "–", "–", "refused", "2 members"]
    assert describe_privacy([row | {"reason": "", "space": "native"}], PRIMARY) == []


def test_gaps_between_groups_say_why_they_have_no_p():
    row = ARM | {"attribute": "sex", "groups": "F: 9, 0.8; M: 9, 0.9", "patients": 18, "gap": 0.1, "expected": 0.05}
    row |= {"p": 0.01, "p_adjusted": "0.02", "worst": "F", "reason": ""}
    few = row | {"attribute": "site", "gap": "n/a", "expected": "n/a", "p_adjusted": "n/a", "reason": "too few"}
    first, second = describe_fairness([row, few], PRIMARY)
    gap = "0.100<br><small>0.050 by chance</small>"
    assert first[3:] == ["sex", 18, gap, "0.020", "F", "F: 9, 0.8; M: 9, 0.9", ""]
    assert second[3:7] == ["site", 18, "–", "–"] and second[-1] == "too few"
