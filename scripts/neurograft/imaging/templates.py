"""Locate template brains on this machine. Standard library only, because rules import this module when parsed."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

MNI152 = "MNI152"


def _mni_map(name):
    """Find a map of the ICBM 2009a template (Fonov et al. 2011), 1 mm, in the nilearn package."""
    # located, not imported, because importing nilearn takes a second
    package = find_spec("nilearn")
    if package is None or package.origin is None:
        raise FileNotFoundError("the template MNI152 comes with nilearn, which is not installed")
    return Path(package.origin).parent / f"datasets/data/mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"


def _mni152():
    """Find the skull-stripped T1 of MNI152."""
    return _mni_map("t1")


def mni_tissue_maps():
    """Find the maps of grey and white matter that belong to MNI152.

    Returns
    -------
    dict of str to Path
        `grey`, `white`: tissue probability on the grid of the template's T1, 1 mm; stored as 0 to 255.

    Raises
    ------
    FileNotFoundError
        If nilearn is not installed.
    """
    return {"grey": _mni_map("gm"), "white": _mni_map("wm")}


def template_path(name):
    """Find the file of a template, for a rule's input and for `registration.load_template`.

    Parameters
    ----------
    name : str or None
        A name of `TEMPLATES`, the path of a skull-stripped image, or "none".

    Returns
    -------
    str or None
        None if registration stays in each subject's own space.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    if name in (None, "", "none"):
        return None
    path = TEMPLATES[name]() if name in TEMPLATES else Path(name)
    if not path.is_file():
        names = ", ".join(TEMPLATES)
        raise FileNotFoundError(f"template {name}: no such file, and not one of the known names ({names}, none)")
    return str(path)


def space_label(name):
    """Return the value of the entity `space-` in the names of files.

    Parameters
    ----------
    name : str or None
        As in `template_path`.

    Returns
    -------
    str
        A name of `TEMPLATES`, "custom" for a template by path, "reference" without a template.
    """
    if name in (None, "", "none"):
        return "reference"
    return name if name in TEMPLATES else "custom"


TEMPLATES: dict[str, Callable[[], Path]] = {MNI152: _mni152}
