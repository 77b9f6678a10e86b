"""Where template brains lie on this machine. Standard library only, since rules import it while parsing."""

from importlib.util import find_spec
from pathlib import Path


def _mni152():
    """Find the skull-stripped MNI152 2009a T1 (1 mm) that nilearn carries, without importing nilearn."""
    package = find_spec("nilearn")
    if package is None:
        raise FileNotFoundError("the template MNI152 comes with nilearn, which is not installed")
    return Path(package.origin).parent / "datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"


def template_path(name):
    """Give the file of a template, for a rule's input and for `registration.load_template`.

    Parameters
    ----------
    name : str or None
        A name of `TEMPLATES`, the path of a skull-stripped image, or "none".

    Returns
    -------
    str or None
        None if registration is to stay in each subject's own space.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    """
    if name in (None, "", "none"):
        return None
    path = TEMPLATES[name]() if name in TEMPLATES else Path(name)
    if not path.is_file():
        known = ", ".join(TEMPLATES)
        raise FileNotFoundError(f"template {name}: no such file, and not one of the known names ({known}, none)")
    return str(path)


def space_label(name):
    """Give the value of the entity `space-` in the names of files.

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


TEMPLATES = {"MNI152": _mni152}
