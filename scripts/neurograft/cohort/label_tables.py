"""Read what label values mean from a dataset's own tables: `dseg.tsv` of BIDS, `dataset.json` of nnU-Net and MSD.

Used when the Snakefile is parsed: standard library only.
"""

import json
import os
import re

from neurograft.core.label_schemes import LABEL_SCHEMES
from neurograft.core.tables import TableError, read_table

# tissue to the words for it, the first that fits; the enhancing after the non-enhancing
WORDS = {
    "cavity": r"cavity|resect|\brc\b",
    "cyst": r"cyst|\bcc\b",
    "necrosis": r"necro|\bncr\b|\bnetc?\b|\bncr.?net\b|non.?enhanc|\bcore\b",
    "oedema": r"edema|\bed\b|\bsnfh\b|hyperintens|infiltrat",
    "enhancing": r"enhanc|\bet\b|\bgd\b",
    "tumour": r"tumou?r|lesion|glioma|\bwt\b",
}
TABLE, DESCRIPTION = "dseg.tsv", "dataset.json"


def read_bids_scheme(label: str, root: str) -> str:
    """Read the scheme of a label from the table beside it, or at the top of its folder of derivatives or dataset.

    Parameters
    ----------
    label : str
        Path of the label.
    root : str
        Of the dataset.

    Returns
    -------
    str
        A key of `label_schemes.LABEL_SCHEMES`; "" if there is no table, or it is of other tissues.
    """
    beside = re.sub(r"\.nii(\.gz)?$", ".tsv", label, flags=re.I)
    parts = os.path.relpath(label, root).split(os.sep)
    shelf = [os.path.join(root, *parts[:2], TABLE)] if parts[0] == "derivatives" else []
    for path in (beside, *shelf, os.path.join(root, TABLE)):
        if os.path.isfile(path):
            try:
                rows = read_table(path)
            except TableError:
                return ""
            return match_scheme({row.get("name", ""): row.get("index", "") for row in rows})
    return ""


def read_described_scheme(root: str) -> str:
    """Read the scheme of a folder's labels from its `dataset.json`; "" if it has none, or other tissues."""
    try:
        with open(os.path.join(root, DESCRIPTION), encoding="utf-8") as file:
            labels = json.load(file).get("labels", {})
        pairs = dict(labels)
    except (OSError, ValueError, AttributeError, TypeError):
        return ""
    # the MSD writes value to name, nnU-Net name to value
    turned = all(str(key).isdecimal() for key in pairs)
    return match_scheme({str(value): str(key) for key, value in pairs.items()} if turned else pairs)


def match_scheme(names: dict) -> str:
    """Find the scheme whose tissues have the stated values.

    Parameters
    ----------
    names : dict of str to str or int
        Name of a tissue, in the dataset's words, to its value; 0 does not count.

    Returns
    -------
    str
        "" if a name is not understood, or no scheme, or several, fit.
    """
    stated: dict[str, int] = {}
    for name, value in names.items():
        if not str(value).isdecimal():
            return ""
        tissue = next((tissue for tissue, words in WORDS.items() if re.search(words, name.replace("_", " "), re.I)), "")
        if int(value) and (not tissue or tissue in stated):
            return ""
        if int(value):
            stated[tissue] = int(value)
    exact = [scheme for scheme, tissues in LABEL_SCHEMES.items() if tissues == stated]
    return exact[0] if exact else ""
