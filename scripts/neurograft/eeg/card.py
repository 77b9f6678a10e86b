"""The verdict card of an EEG run: the card of every run, filled from people instead of patients."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from neurograft.core.split_file import SplitFile
from neurograft.eeg.transfer import SOURCE, TASK
from neurograft.evaluation.verdict_card import Card, CardSettings, fill_verdict_card


def fill_people_card(
    comparison: Sequence[Mapping[str, Any]],
    scores: Sequence[Mapping[str, Any]],
    split: Mapping[str, Any],
    settings: CardSettings,
) -> Card:
    """Fill in the card.

    Parameters
    ----------
    comparison, scores : list of dict
        Rows of `comparison.tsv` and `scores.tsv`.
    split : dict
        From `transfer.split_people`.
    settings : dict
        As `verdict_card.take_settings` returns it.

    Returns
    -------
    dict
        The classes are the `target`. A `source` names the space too, `other-people.sensors`: a card has no other place
        for it, and what came through a cortex must not be pooled with what did not.
    """
    rows = [{**row, "source": f"{SOURCE}.{row['space']}"} for row in comparison]
    # each person is a fold; nothing is trained in steps
    fields = ("task", "space", "split", "fold", "seed")
    cells = dict.fromkeys(tuple(str(row[name]) for name in fields) for row in scores)
    times = [dict(zip(fields, cell, strict=True)) | {"strategy": "", "source": "", "n": ""} for cell in cells]
    task = {"target": "-".join(split["classes"]), "patients": {}, "subjects": list(split["people"])}
    return fill_verdict_card(rows, times, cast(SplitFile, {"tasks": {TASK: task}}), settings)
