"""Images and sidecars without anything that could name a patient: what is not known to be harmless is left out."""

import nibabel as nib
import numpy as np

# sidecar fields, and between which values a number is what the field says
NUMBERS = {
    "MagneticFieldStrength": (0.01, 20),  # T
    "EchoTime": (0, 10),  # s
    "RepetitionTime": (0, 100),  # s
    "InversionTime": (0, 100),  # s
    "FlipAngle": (0, 360),  # degrees
    "SliceThickness": (0, 50),  # mm
    "SpacingBetweenSlices": (0, 50),  # mm
    "EchoTrainLength": (1, 2000),
    "PixelBandwidth": (0, 10_000),  # Hz
    "ParallelReductionFactorInPlane": (1, 64),
}
# sidecar fields of words, and the words that they may hold; `_` joins several, as dcm2niix writes them
WORDS = {
    "Modality": {"MR"},
    "Manufacturer": {"Siemens", "GE", "Philips", "Toshiba", "Canon", "Hitachi", "UIH", "Bruker"},
    "MRAcquisitionType": {"1D", "2D", "3D"},
    "PhaseEncodingDirection": {"i", "j", "k", "i-", "j-", "k-"},
    "ScanningSequence": {"SE", "IR", "GR", "EP", "RM"},
    "SequenceVariant": {"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "NONE"},
}


def scrub_sidecar(sidecar):
    """Keep the acquisition's numbers and words that are on the lists, each only with a value that can be meant.

    Parameters
    ----------
    sidecar : object
        What a JSON file held.

    Returns
    -------
    dict
        Names, dates, serial numbers, protocol and series names, comments and whatever else is no longer there.
    """
    fields = sidecar.items() if isinstance(sidecar, dict) else ()
    return {field: value for field, value in fields if _is_harmless(field, value)}


def _is_harmless(field, value):
    """Tell whether a field is on a list and its value can be meant."""
    if isinstance(value, str):
        return set(value.split("_")) <= WORDS.get(field, set())
    if field not in NUMBERS or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    low, high = NUMBERS[field]
    return low <= value <= high


def read_stored(loaded):
    """Give the voxels of an image as they are stored, shape (X, Y, Z), and the stored value that means 0.

    Parameters
    ----------
    loaded : nibabel.Nifti1Image
        Read from a file; a fourth axis of one volume is dropped.
    """
    data = np.array(loaded.dataobj.get_unscaled()).reshape(loaded.shape[:3])
    zero = -loaded.dataobj.inter / loaded.dataobj.slope
    if data.dtype.kind in "iu":
        limits = np.iinfo(data.dtype)
        zero = int(np.clip(round(zero), limits.min, limits.max))
    return data.astype(data.dtype.newbyteorder("=")), zero


def scrub_image(loaded, data):
    """Put stored voxels under a fresh header.

    Only what places and scales the voxels is taken over: shape, type, slope and intercept, sform and qform. Names,
    descriptions, dates, extensions, and bytes that no reader looks at, are not.

    Parameters
    ----------
    loaded : nibabel.Nifti1Image
        Whose grid and scale it is.
    data : ndarray, shape (X, Y, Z)
        As stored (`read_stored`).

    Returns
    -------
    nibabel.Nifti1Image
        For writing only: its data in memory are the stored values.
    """
    made = nib.Nifti1Image(data, loaded.affine)
    made.set_data_dtype(data.dtype)
    made.header.set_xyzt_units("mm")
    for name in ("qform", "sform"):
        affine, code = getattr(loaded, f"get_{name}")(coded=True)
        # the sizes of the voxels come with the qform, so one that is not set has the affine all the same
        getattr(made, f"set_{name}")(loaded.affine if affine is None else affine, code, update_affine=False)
    made.header.set_slope_inter(loaded.dataobj.slope, loaded.dataobj.inter)
    return made
