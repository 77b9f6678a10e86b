"""The words of strategies: every one has them, and no mark is that of another."""

from neurograft.core.strategies import STRATEGIES, UNTRAINED
from neurograft.report.strategy_words import WORDS


def test_every_strategy_has_a_sentence_and_nothing_else_has_one():
    assert set(WORDS) == {*STRATEGIES, *UNTRAINED}
    assert all(words.sentence.endswith(".") and words.sentence[0].isupper() for words in WORDS.values())


def test_marks_tell_strategies_apart():
    marks = [words.mark for words in WORDS.values() if words.mark]
    assert marks and len(set(marks)) == len(marks)
