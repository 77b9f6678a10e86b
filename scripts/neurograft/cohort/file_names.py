"""List folders, digest files, and turn names into subject labels.

Used when the Snakefile is parsed: standard library only.
"""

import hashlib
import os
import re
import unicodedata


def subject_label(name):
    """Reduce a name to the letters and digits that BIDS allows, without accents and `sub-`."""
    plain = unicodedata.normalize("NFKD", name.removeprefix("sub-")).encode("ascii", "ignore").decode()
    return re.sub("[^0-9A-Za-z]", "", plain)


def list_folder(folder):
    """Return the names of a folder's visible folders and files, sorted; empty lists if the folder does not exist."""
    try:
        with os.scandir(folder) as entries:
            seen = sorted((entry.name, entry.is_dir()) for entry in entries if not entry.name.startswith("."))
    except OSError:
        return [], []
    return [name for name, is_folder in seen if is_folder], [name for name, is_folder in seen if not is_folder]


def list_files(folder):
    """List the visible files below a folder with their sizes and times.

    Parameters
    ----------
    folder : str or Path

    Returns
    -------
    list of (str, os.stat_result)
        Sorted within each folder; links to folders are not followed.
    """
    found = []
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        paths = [os.path.join(parent, name) for name in sorted(files) if not name.startswith(".")]
        found += [(path, os.stat(path)) for path in paths if os.path.isfile(path)]
    return found


def digest_files(folder):
    """Compute a digest of the names, sizes and times of the files below a folder; Snakemake would store every name.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    seen = [(path, about.st_size, about.st_mtime_ns) for path, about in list_files(folder)]
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]


def digest_paths(paths):
    """Compute a digest of the places, sizes and times of some files; a link counts as what it points to.

    Parameters
    ----------
    paths : iterable of str
        A missing file counts by its name.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    seen = []
    for path in paths:
        # an image may have its header beside it
        for each in [path, *([path[:-4] + ".hdr"] if path.lower().endswith(".img") else [])]:
            about = os.stat(each) if os.path.exists(each) else None
            seen.append((each, os.path.realpath(each), *((about.st_size, about.st_mtime_ns) if about else ())))
    return hashlib.sha256(repr(seen).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def digest_names(roots):
    """Compute a digest of all names below some folders; a table counts by its content.

    Parameters
    ----------
    roots : iterable of str

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    made = hashlib.sha256()
    for root in (os.path.expanduser(root) for root in roots if root):
        if os.path.isfile(root):
            with open(root, "rb") as file:
                made.update(file.read())
        for parent, folders, files in os.walk(root):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            made.update(repr((parent, sorted(files))).encode("utf-8", "surrogateescape"))
    return made.hexdigest()[:16]
