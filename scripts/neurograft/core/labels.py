"""Tumour labels and the nested regions that are scored: whole tumour, tumour core, enhancing tumour.

A label scheme says which value means which tissue; a region is a set of tissues. Both are tables, so that no other
module spells a label value.

Regions as in the BraTS challenges (Menze et al. 2015; Baid et al. 2021).
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray


def regions_of(scheme: str) -> tuple[str, ...]:
    """List the regions that a scheme can tell apart, from the outermost to the innermost.

    Parameters
    ----------
    scheme : str
        A row of `LABEL_SCHEMES`.

    Returns
    -------
    tuple of str
        ("WT", "TC", "ET"), or ("WT",) for a binary scheme.
    """
    return tuple(region_values(scheme))


def region_values(scheme: str) -> dict[str, tuple[int, ...]]:
    """List the label values that make up each region.

    Returns
    -------
    dict of str to tuple of int
        For example {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}.
    """
    tissues = LABEL_SCHEMES[scheme]
    values = {name: tuple(v for tissue, v in tissues.items() if tissue in REGIONS[name]) for name in REGIONS}
    return {name: inside for name, inside in values.items() if inside}


def region_masks(labels: NDArray[Any], scheme: str) -> dict[str, NDArray[np.bool_]]:
    """Turn a label array into one mask per region.

    Parameters
    ----------
    labels : ndarray of int, any shape
    scheme : str

    Returns
    -------
    dict of str to ndarray of bool, same shape
    """
    return {name: np.isin(labels, values) for name, values in region_values(scheme).items()}


def labels_from_regions(
    probabilities: Mapping[str, ArrayLike], scheme: str, threshold: float = 0.5
) -> NDArray[np.uint8]:
    """Turn region probabilities, or masks, into labels whose regions are nested.

    An inner region wins: what passes the threshold as enhancing tumour is also core and whole tumour,
    whatever the outer channels say (an outer region is the union with everything inside it).

    Parameters
    ----------
    probabilities : dict of str to ndarray
        One array per region, float in 0..1 or bool, all of one shape. Regions may be missing: what lies in an outer
        region but in none of the given inner ones becomes the tissue of the outer region alone (`OWN_TISSUE`).
    scheme : str
    threshold : float
        A voxel at or above it belongs to the region.

    Returns
    -------
    ndarray of uint8, same shape
        Label values of the scheme, 0 outside.

    Raises
    ------
    ValueError
        If no region is given, or one that the scheme does not have.
    """
    regions = regions_of(scheme)
    if not probabilities or set(probabilities) - set(regions):
        given = ", ".join(probabilities) or "none"
        raise ValueError(f"scheme {scheme} has the regions {', '.join(regions)}; given: {given}")
    labels = np.zeros(np.shape(next(iter(probabilities.values()))), np.uint8)
    for name in regions:  # from the outside to the inside, so that the inner tissue is painted last
        if name in probabilities:
            tissue = next(tissue for tissue in OWN_TISSUE[name] if tissue in LABEL_SCHEMES[scheme])
            labels[np.asarray(probabilities[name]) >= threshold] = LABEL_SCHEMES[scheme][tissue]
    return labels


def recognise_scheme(values: Iterable[int], naming: str = "", wanted: str = "auto") -> tuple[str, bool]:
    """Recognise the scheme that a subject's label values follow.

    Parameters
    ----------
    values : iterable of int
        The values other than 0 that occur.
    naming : str
        The scheme that the file names suggest, or "".
    wanted : str
        A scheme that the user set, or "auto".

    Returns
    -------
    scheme : str
        "" for labels without tumour whose file names suggest no scheme.
    certain : bool
        False where the values would fit more than one scheme ({1} is a binary label, or necrosis; {1, 2}
        is in every BraTS scheme): the other subjects then decide, in `cohort_scheme`.

    Raises
    ------
    ValueError
        If the values fit no scheme, or not the one wanted.
    """
    values = set(values)
    schemes = LABEL_SCHEMES if wanted == "auto" else {wanted: LABEL_SCHEMES[wanted]}
    fits = [name for name, tissues in schemes.items() if values <= set(tissues.values())]
    if not fits:
        allowed = "; ".join(f"{name} {sorted(t.values())}" for name, t in schemes.items())
        given = ", ".join(str(value) for value in sorted(values)[:10]) + (", ..." if len(values) > 10 else "")
        raise ValueError(f"label values {given} are not known (known: 0 and {allowed})")
    if naming in fits:
        return naming, True
    if len(fits) == 1:
        return fits[0], True
    if not values:
        return "", False
    return ("binary" if values == {1} else fits[0]), False


def cohort_scheme(records: Iterable[Mapping[str, Any]]) -> str:
    """Find the one scheme of a cohort.

    Labelled subjects whose scheme is certain decide by majority. Without them the uncertain ones decide, among which
    one with several tissues outweighs any number of {0, 1} labels. Without labels the file names decide.

    Parameters
    ----------
    records : list of dict
        Statuses of `import_scans`, or rows of `cohort.tsv`. Subjects that are not included do not count.

    Returns
    -------
    str
        A row of `LABEL_SCHEMES`; "" if nothing decides.
    """
    certain: list[str] = []
    guessed: list[str] = []
    named: list[str] = []
    for record in records:
        if record["included"] in (True, "true"):
            labels = record.get("labels")
            if isinstance(labels, dict):
                (certain if cast("dict[str, Any]", labels)["certain"] else guessed).append(record["scheme"])
            else:  # a row of cohort.tsv, whose schemes are settled, or a subject without labels
                (certain if labels in (True, "true") else named).append(record["scheme"])
    if any(scheme not in ("", "binary") for scheme in guessed):
        guessed = [scheme for scheme in guessed if scheme != "binary"]
    for votes in (certain, guessed, named):
        if any(votes):
            return max(LABEL_SCHEMES, key=votes.count)
    return ""


LABEL_SCHEMES: dict[str, dict[str, int]] = {
    "brats2018": {"necrosis": 1, "oedema": 2, "enhancing": 4},
    "brats2023": {"necrosis": 1, "oedema": 2, "enhancing": 3},
    "binary": {"tumour": 1},
}
# necrosis stands for necrotic and non-enhancing core, as in BraTS
REGIONS = {
    "WT": ("necrosis", "oedema", "enhancing", "tumour"),
    "TC": ("necrosis", "enhancing"),
    "ET": ("enhancing",),
}
# the tissue of a region that lies in none of the regions inside it
OWN_TISSUE = {"WT": ("oedema", "tumour"), "TC": ("necrosis",), "ET": ("enhancing",)}
