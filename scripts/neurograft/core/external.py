"""The config's block on masks of other programs; a separate module for jobs that do not read the design."""

from collections.abc import Collection, Mapping
from typing import NotRequired, TypedDict

from neurograft.core.config import SettingsError
from neurograft.core.strategies import EXTERNAL, STRATEGIES, base_strategy


class ExternalMasks(TypedDict):
    """The masks of one program: a value of `experiment.segmentation.external`, whose keys are the user's names."""

    predictions: str  # folder
    seconds: NotRequired[float]  # of the processor, total of all its trainings and predictions


def list_external_arms(
    external: Mapping[str, ExternalMasks], space: str, seed: int
) -> list[tuple[str, str, str, str, str, int]]:
    """List the arms of other programs' masks, in the order of the keys of an arm (`design.SPANS`).

    They are in none of our spaces, so they get the space of the verdict, and the folds that are exported.
    """
    return [(EXTERNAL, name, space, "folds", "all", seed) for name in external]


def check_external(
    external: Mapping[str, ExternalMasks], strategies: Collection[str], sources: Mapping[str, Mapping[str, str]]
) -> None:
    """Check the names of other programs' masks, and that there is something to compare them with.

    Parameters
    ----------
    external : dict of str to dict
    strategies : collection of str
        Strategies of the segmentation, without those of `also`.
    sources : dict of str to dict
        Rows of `config/sources.tsv` by name.

    Raises
    ------
    SettingsError
        One line for the first mistake found.
    """
    place = "config: experiment.segmentation.external"
    for name in external:
        if name in STRATEGIES or base_strategy(name) != name:
            raise SettingsError(f"{place}: '{name}' is the name of a strategy; give the masks a name of their own")
        if EXTERNAL in sources:
            raise SettingsError(f"{place}: sources.tsv has a source '{EXTERNAL}', as these masks are called; rename it")
        if "scratch" not in strategies:
            raise SettingsError(
                f"{place}: {name} is compared with scratch, which experiment.segmentation.strategies does not train: "
                "add it there"
            )
