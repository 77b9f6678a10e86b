"""What the config says of other programs' masks; apart, for jobs read it that read no design."""

from collections.abc import Collection, Mapping
from typing import NotRequired, TypedDict

from neurograft.core.config import SettingsError
from neurograft.core.strategies import EXTERNAL, STRATEGIES, base_strategy


class ExternalMasks(TypedDict):
    """The masks of one program: `experiment.segmentation.external`, a name of the user's own to this."""

    predictions: str  # folder
    seconds: NotRequired[float]  # of all its trainings together


def list_external_arms(
    external: Mapping[str, ExternalMasks], space: str, seed: int
) -> list[tuple[str, str, str, str, str, int]]:
    """List the arms of other programs' masks, in the order of the keys of an arm (`design.SPANS`).

    They lie in no space of ours, so they stand in that of the verdict, and in the folds that are exported.
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
        Those of the segmentation, without those of `also`.
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
