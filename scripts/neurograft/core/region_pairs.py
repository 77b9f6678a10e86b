"""Which region of one label scheme is which of another: for networks that learn from one cohort for another."""

from collections.abc import Sequence

from neurograft.core.labels import judged_region


def pair_regions(own: Sequence[str], other: Sequence[str]) -> dict[str, str]:
    """Pair the regions of two label schemes: those of one name, and the outermost of both.

    Parameters
    ----------
    own, other : sequence of str
        Regions, from the outermost to the innermost (`labels.regions_of`).

    Returns
    -------
    dict of str to str
        Own region to the other's, in own order; at least the outermost, where both have any. So an outline of any kind
        of lesion teaches the whole tumour.
    """
    if not own or not other:
        return {}
    pairs = {name: name for name in own if name in other}
    pairs.setdefault(judged_region(own), judged_region(other))
    return {name: pairs[name] for name in own if name in pairs}
