"""Labels and the regions that are scored: of a tumour whole, core and enhancing, or the labels that a user names.

A label scheme says which value means which tissue; a region is a set of tissues. Both are tables, so that no other
module spells a label value. A scheme travels as text: the name of a row of `LABEL_SCHEMES`, or labels of the user's
own as they are, `anterior=1,posterior=2` (`write_scheme`). The regions of own labels are each label and, before them,
all of them together (`ALL`) where there is more than one.

Regions as in the BraTS challenges (Menze et al. 2015; Baid et al. 2021).
"""

from collections.abc import Iterable, Mapping
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurograft.core.label_schemes import LABEL_SCHEMES, RELEASES, UNDATED

ALL = "all"  # the region of all of a user's own labels together


def write_scheme(labels: Mapping[str, int]) -> str:
    """Write labels of the user's own as a scheme.

    Parameters
    ----------
    labels : dict of str to int
        Name (letters and digits) to value.

    Returns
    -------
    str
        Such as "anterior=1,posterior=2".
    """
    return ",".join(f"{name}={value}" for name, value in labels.items())


def is_own(scheme: str) -> bool:
    """Check whether a scheme is labels of the user's own, which need not be of a tumour."""
    return "=" in scheme


def tissues_of(scheme: str) -> dict[str, int]:
    """Return what a scheme calls its values, whether it is a row of `LABEL_SCHEMES` or the user's own.

    Parameters
    ----------
    scheme : str

    Returns
    -------
    dict of str to int
        Tissue, or name of a label, to value.

    Raises
    ------
    KeyError
        If there is no such scheme.
    """
    if not is_own(scheme):
        return LABEL_SCHEMES[scheme]
    pairs = (pair.split("=") for pair in scheme.split(","))
    return {name: int(value) for name, value in pairs}


def count_tissues(scheme: str) -> dict[str, int]:
    """Count a scheme's tissues from 1 in the order of their values, as programs that want no gaps take them.

    Parameters
    ----------
    scheme : str

    Returns
    -------
    dict of str to int
        Tissue, or name of a label, to its number.
    """
    tissues = tissues_of(scheme)
    return {name: number for number, name in enumerate(sorted(tissues, key=lambda name: tissues[name]), start=1)}


def judged_region(regions: Iterable[str]) -> str:
    """Choose the region that verdicts are about: the outermost of those that were scored.

    Parameters
    ----------
    regions : iterable of str
        Of one cohort's scheme, in any order; empty ones, of a classification, do not count.

    Returns
    -------
    str
        The whole tumour; of labels of the user's own all together, or the only one.
    """
    scored = dict.fromkeys(region for region in regions if region)
    return next((name for name in (*REGIONS, ALL) if name in scored), next(iter(scored), "WT"))


def regions_of(scheme: str) -> tuple[str, ...]:
    """List the regions that a scheme can tell apart, from the outermost to the innermost.

    Parameters
    ----------
    scheme : str
        A row of `LABEL_SCHEMES`, or own labels.

    Returns
    -------
    tuple of str
        ("WT", "TC", "ET"), or ("WT",) for a binary scheme; ("all", "anterior", "posterior") of own labels, or the one.
    """
    return tuple(region_values(scheme))


def region_values(scheme: str) -> dict[str, tuple[int, ...]]:
    """List the label values that make up each region.

    Returns
    -------
    dict of str to tuple of int
        For example {"WT": (1, 2, 4), "TC": (1, 4), "ET": (4,)}.
    """
    tissues = tissues_of(scheme)
    if is_own(scheme):
        together = {ALL: tuple(tissues.values())} if len(tissues) > 1 else {}
        return together | {name: (value,) for name, value in tissues.items()}
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
    whatever the outer channels say (an outer region is the union with everything inside it). Labels of the user's own
    exclude each other: a voxel that passes the threshold as one of them, or as all together, gets the likeliest.

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
    if is_own(scheme):
        return _likeliest(probabilities, tissues_of(scheme), threshold)
    labels = np.zeros(np.shape(next(iter(probabilities.values()))), np.uint8)
    for name in regions:  # from the outside to the inside, so that the inner tissue is painted last
        if name in probabilities:
            tissue = next(tissue for tissue in OWN_TISSUE[name] if tissue in LABEL_SCHEMES[scheme])
            labels[np.asarray(probabilities[name]) >= threshold] = LABEL_SCHEMES[scheme][tissue]
    return labels


def _likeliest(
    probabilities: Mapping[str, ArrayLike], tissues: Mapping[str, int], threshold: float
) -> NDArray[np.uint8]:
    """Give each voxel that belongs to any of a user's own labels the likeliest of those given, the first of equals."""
    given = {name: np.asarray(probabilities[name]) for name in tissues if name in probabilities}
    whole = np.asarray(probabilities[ALL]) if ALL in probabilities else None
    if not given:
        # all together alone say nothing of which one it is
        given = {next(iter(tissues)): np.asarray(probabilities[ALL])}
    stacked = np.stack(list(given.values()))
    values = np.array([tissues[name] for name in given], np.uint8)
    inside = stacked.max(axis=0) >= threshold
    if whole is not None:
        inside = inside | (whole >= threshold)
    return np.where(inside, values[stacked.argmax(axis=0)], 0).astype(np.uint8)


def recognise_scheme(values: Iterable[int], naming: str = "", wanted: str = "auto") -> tuple[str, bool]:
    """Recognise the scheme that a subject's label values follow.

    Parameters
    ----------
    values : iterable of int
        The values other than 0 that occur.
    naming : str
        The release that the file names suggest (a key of `RELEASES`), or "".
    wanted : str
        A scheme that the user set, also labels of his own, or "auto".

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
        If the values fit no scheme, or not the one wanted; or if the same values mean different tissues in several
        releases, and nothing tells which it is.
    """
    values = set(values)
    schemes = LABEL_SCHEMES if wanted == "auto" else {wanted: tissues_of(wanted)}
    fits = [name for name, tissues in schemes.items() if values <= set(tissues.values())]
    named = [name for name in RELEASES.get(naming, ()) if name in fits]
    undated = naming == UNDATED and len(named) > 1
    if wanted == "auto" and values and (undated or (not named and {3, 4} <= values and fits)):
        could = " or ".join(_tell_scheme(name) for name in (named or [name for name in fits if name != "binary"]))
        raise ValueError(f"label values {sorted(values)} could be {could}: say which in import_scans.labels")
    if not fits:
        allowed = "; ".join(f"{name} {sorted(t.values())}" for name, t in schemes.items())
        given = ", ".join(str(value) for value in sorted(values)[:10]) + (", ..." if len(values) > 10 else "")
        raise ValueError(f"label values {given} are not known (known: 0 and {allowed})")
    if named:
        return named[0], True
    if len(fits) == 1:
        return fits[0], True
    if not values:
        return "", False
    # the usual meanings; whether what they call enhancing enhances is looked at (`cohort.label_checks`)
    usual = "binary" if values == {1} else "brats2023" if 3 in values else "brats2018"
    return (usual, 3 in values or 4 in values) if usual in fits else (fits[0], False)


def _tell_scheme(scheme: str) -> str:
    """Say what a scheme's values mean: "brats2018 (1 necrosis, 2 oedema, 4 enhancing)"."""
    tissues = sorted(tissues_of(scheme).items(), key=lambda item: item[1])
    return f"{scheme} ({', '.join(f'{value} {tissue}' for tissue, value in tissues)})"


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
        A row of `LABEL_SCHEMES`, or own labels; "" if nothing decides.
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
            # own labels are said of every subject, so they stand beside no row of the table
            return max((*LABEL_SCHEMES, *filter(is_own, votes)), key=votes.count)
    return ""


# necrosis stands for necrotic and non-enhancing core, as in BraTS
REGIONS = {
    "WT": ("necrosis", "nonenhancing", "cyst", "oedema", "enhancing", "tumour"),
    "TC": ("necrosis", "nonenhancing", "cyst", "enhancing"),
    "ET": ("enhancing",),
}
# the tissue of a region that lies in none of the regions inside it
OWN_TISSUE = {"WT": ("oedema", "tumour"), "TC": ("necrosis",), "ET": ("enhancing",)}
