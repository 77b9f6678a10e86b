"""The scans of a cohort as the guard reads them: imported scans, stacked pictures, or single pictures."""

import hashlib
from functools import lru_cache
from pathlib import Path

import numpy as np

from neurograft.core import files
from neurograft.execution import code_digest
from neurograft.guard.fingerprints import read_fingerprints, take_fingerprint, write_fingerprints
from neurograft.guard.slices import cut_volume, stack_pictures
from neurograft.imaging.nifti import read_scans


class ScanReader:
    """Reads imported scans, of pictures as of volumes.

    Parameters
    ----------
    folders : dict of str to str
        Subject to the folder that `import_scans` wrote.
    stacked : bool
        Whether nobody says how large a pixel is, and how far it is to the next slice: pictures that were stacked.
    """

    def __init__(self, folders, stacked=False):
        self.folders, self.stacked = folders, stacked

    def read(self, subject):
        """Read a subject's values and slices, each by sequence."""
        scans = {name: scan for name, scan in read_scans(self.folders[subject]).items() if name != "labels"}
        values = {name: np.asarray(scan.dataobj, np.float32) for name, scan in scans.items()}
        if not self.stacked:
            return values, {name: cut_volume(scan) for name, scan in scans.items()}
        # a patient without a sequence has zeros, or another sequence, in its place
        shown = {name: one for name, one in values.items() if np.ptp(one) > 0}
        return shown, {name: stack_pictures(one.T[:, ::-1, ::-1]) for name, one in shown.items()}

    def stamp(self, subject):
        """Digest the subject's files, by content: the same bytes at another time are the same."""
        digest = hashlib.sha256(str(self.stacked).encode())
        for path in sorted(Path(self.folders[subject]).glob("*.nii.gz")):
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()[:16]


class PictureReader:
    """Reads the pictures of a set whose subjects are single pictures.

    Parameters
    ----------
    folder : str
        As `pictures.reading.import_images` wrote it.
    """

    def __init__(self, folder):
        subjects = files.read_json(Path(folder) / "index.json")["subjects"]
        self.pictures = np.load(Path(folder) / "images.npy", mmap_mode="r")
        self.rows = {subject: row for row, subject in enumerate(subjects)}

    def read(self, subject):
        """Read a picture's values and slice."""
        picture = np.asarray(self.pictures[self.rows[subject], 0], np.float32)
        shown = np.where(picture != 0, picture - picture.min() + 0.1, 0)
        return {"image": picture}, {"image": stack_pictures(shown.T[None, ::-1, ::-1])}

    def stamp(self, subject):
        """Return nothing: pictures take less time than their store."""
        return ""


def make_reader(rows, slices, subjects, dataset):
    """Make the reader that fits a dataset.

    Parameters
    ----------
    rows : list of dict
        Of `cohort.tsv`.
    slices : str or list
        Folder of a set of single pictures; nothing for scans.
    subjects : dict of str to dict
        From `layouts.find_subjects`.
    dataset : dict
        The config's block.

    Returns
    -------
    ScanReader or PictureReader
    """
    if slices:
        return PictureReader(str(slices))
    stacked = any("slices" in about for about in subjects.values()) and not dataset["pictures"].get("spacing")
    return ScanReader(
        {row["participant_id"]: f"results/work/sub-{row['participant_id']}/imported" for row in rows}, stacked
    )


def take_fingerprints(reader, subjects, store):
    """Take the fingerprints of a cohort; those that were taken before are read.

    Parameters
    ----------
    reader : ScanReader or PictureReader
    subjects : sequence of str
    store : str or Path
        Folder of one file a subject, named by its scans and by the code that takes fingerprints.

    Returns
    -------
    list of Fingerprint
    """
    # not the rule's parameter: jobs of a cluster do without it
    code = code_digest.code_digest(__file__)

    def take(subject):
        stamp = reader.stamp(subject)
        path = Path(store) / f"{subject}-{hashlib.sha256((stamp + code).encode()).hexdigest()[:16]}.npz"
        if stamp and path.exists():
            return read_fingerprints(path)[0]
        taken = take_fingerprint(subject, *reader.read(subject))
        if stamp:
            for old in Path(store).glob(f"{subject}-*.npz"):
                old.unlink()
            write_fingerprints(path, [taken])
        return taken

    return [take(subject) for subject in subjects]


def remember_stacks(reader, most=24):
    """Make a function from a subject to its slices by sequence, which remembers the last ones.

    Parameters
    ----------
    reader : ScanReader or PictureReader
    most : int
        Subjects.
    """

    @lru_cache(maxsize=most)
    def stacks(subject):
        return reader.read(subject)[1]

    return stacks
