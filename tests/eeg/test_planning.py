"""What a run of EEG takes and can show, before it."""

from neurograft.eeg.planning import plan_people


def test_more_people_show_smaller_differences_and_take_longer():
    few, many = (plan_people(people, 3, ["sensors", "template"], 0.02) for people in (8, 24))
    assert many["smallest_difference"] < few["smallest_difference"] and many["seconds"] > 3 * few["seconds"]
    # of 24 people, spread .1: a standard error of .02, and three comparisons
    assert 0.05 < many["smallest_difference"] < 0.09
    assert "24 people in 2 spaces" in many["words"][0] and "margin (0.02) takes about" in many["words"][2]


def test_what_cannot_be_judged_says_so():
    assert "nothing is compared" in plan_people(10, 0, ["sensors"])["words"][-1]
    three = plan_people(3, 2, ["sensors"], 0.02)
    assert three["smallest_difference"] is None and "it takes 4 people" in three["words"][-1]


def test_without_a_margin_none_is_spoken_of():
    plan = plan_people(10, 2, ["sensors"])
    assert plan["needed_people"] is None and len(plan["words"]) == 2
