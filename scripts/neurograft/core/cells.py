"""Cells and arms: the keys that name them, and which controls an arm is held against.

A cell is one training of the experiment; an arm is the cells that differ by fold and seed alone.
"""

CELL = ("task", "source", "strategy", "space", "split", "n", "fold", "seed")
# an arm of the experiment: the cells that differ by fold and seed alone
ARM = tuple(name for name in CELL if name not in ("fold", "seed"))
PRIMARY = {"task": "segmentation", "region": "WT", "metric": "dice"}


def find_kin(sources):
    """Give what makes the networks of sources alike.

    Parameters
    ----------
    sources : iterable of dict
        Rows of `config/sources.tsv`.

    Returns
    -------
    dict of str to tuple
        Source to its dimensions and backbone.
    """
    return {row["name"]: (str(row["dimensions"]), row["backbone"]) for row in sources if "backbone" in row}


def control_sources(source, having, kin=None):
    """Choose the sources whose control an arm is held against.

    A control does not see the source's weights, only its network: the same source's is taken, else that of a source
    with the same network, which is the same training, else the mean of those of the same dimensions.

    Parameters
    ----------
    source : str
    having : list of str
        Sources with the control.
    kin : dict of str to tuple, optional
        From `find_kin`; without it all are taken for alike.

    Returns
    -------
    list of str
        Empty where there is no control of the same dimensions.
    """
    if source in having:
        return [source]
    kin = {name: tuple(own) for name, own in (kin or {}).items()}
    if source not in kin:
        return list(having)
    same = [name for name in having if kin.get(name) == kin[source]]
    return same[:1] or [name for name in having if name not in kin or kin[name][0] == kin[source][0]]
