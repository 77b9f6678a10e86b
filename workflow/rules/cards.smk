# Finds the cards that are pooled, where the config names their folder.
from neurograft.evaluation import verdict_card

try:
    CARDS = verdict_card.find_cards(config["cards"]) if "cards" in config else []
except verdict_card.CardError as mistake:
    raise WorkflowError(str(mistake)) from None


def cards(wildcards):
    """The cards of the folder that `cards` names."""
    if not CARDS:
        raise WorkflowError("pool takes the folder of the cohorts' cards: snakemake pool --config cards=DIR")
    return CARDS
