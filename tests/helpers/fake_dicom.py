"""DICOM series written from volumes, as scanners write them, with a person's identity in every place for it."""

import hashlib

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, MRImageStorage

# what must be found in no output; each stands in a place of its own
SECRETS = {
    "PatientName": "Zwiebelfisch^Ottokar",
    "PatientID": "MRN7731902",
    "PatientBirthDate": "19430817",
    "PatientAddress": "Rosenweg 13 Entenhausen",
    "PatientComments": "violinist from Quakenbrueck",
    "OtherPatientIDs": "OLDID55512",
    "AccessionNumber": "ACC9182736",
    "InstitutionName": "Sankt Ignotus Hospital",
    "InstitutionAddress": "Platanenallee 99",
    "StationName": "KELLERMR7",
    "ReferringPhysicianName": "Wunderlich^Eusebia",
    "PerformingPhysicianName": "Pfannenstiel^Rosa",
    "OperatorsName": "Kowalczyk^Leo",
    "StudyDate": "20190523",
    "SeriesDate": "20190523",
    "AcquisitionDate": "20190523",
    "StudyTime": "141516",
    "AcquisitionTime": "142738.125",
    "StudyID": "STUDY4455",
    "StudyDescription": "Verlauf nach Kuchenmann",
    "ImageComments": "for Doctor Quarkbrot",
    "DeviceSerialNumber": "SN0815471",
    "RequestedProcedureDescription": "Tanzmaus control",
    "PerformedProcedureStepDescription": "Honigtau control",
}
PRIVATE = "Nebelkraehe secret"
SPIN_ECHO = {"ScanningSequence": "SE", "SequenceVariant": "SK", "MRAcquisitionType": "2D", "FlipAngle": 90}
KINDS = {
    "t1": SPIN_ECHO | {"RepetitionTime": 550, "EchoTime": 12, "SeriesDescription": "AX T1"},
    "t1c": SPIN_ECHO
    | {"RepetitionTime": 550, "EchoTime": 12, "SeriesDescription": "AX T1 POST", "ContrastBolusAgent": "Gadovist"},
    "t2": SPIN_ECHO | {"RepetitionTime": 4200, "EchoTime": 102, "SeriesDescription": "AX T2 FSE"},
    "flair": SPIN_ECHO
    | {"ScanningSequence": ["SE", "IR"], "RepetitionTime": 9000, "EchoTime": 120, "InversionTime": 2500}
    | {"SeriesDescription": "AX FLAIR"},
}


def make_uid(*parts):
    """Make a UID that is always the same for the same parts."""
    return "1.2.826.0.1.3680043.8.498." + str(int(hashlib.sha256(repr(parts).encode()).hexdigest()[:20], 16))


def write_series(folder, data, affine, kind="t1", number=1, study=1, names=None, **tags):
    """Write a volume as one file a slice.

    Parameters
    ----------
    folder : Path
    data : ndarray, shape (X, Y, Z)
        Slices along the last axis.
    affine : ndarray, shape (4, 4)
        RAS millimetres; columns at right angles.
    kind : str
        A row of `KINDS`; `tags` are added to it, or take its place.
    number, study : int
    names : callable, optional
        Slice number to file name.

    Returns
    -------
    list of Path
    """
    lps, sizes = _to_lps(affine)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for k in range(data.shape[2]):
        ds = _describe(kind, number, study, MRImageStorage, tags)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = make_uid(study, number, k)
        ds.InstanceNumber = k + 1
        ds.ImageOrientationPatient = _ds([*lps[:3, 0] / sizes[0], *lps[:3, 1] / sizes[1]])
        ds.ImagePositionPatient = _ds(lps[:3] @ [0, 0, k, 1])
        ds.PixelSpacing = _ds([sizes[1], sizes[0]])
        ds.SliceThickness = ds.SpacingBetweenSlices = float(f"{sizes[2]:.6g}")
        _set_pixels(ds, data[:, :, k].T)
        path = folder / (names(k) if names else f"s{number:03d}_{k:04d}")
        ds.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def drop_slices(paths, *numbers):
    """Remove slices of a series that `write_series` wrote, and return the paths of the others."""
    for number in numbers:
        paths[number].unlink()
    return [path for number, path in enumerate(paths) if number not in numbers]


def write_enhanced(path, data, affine, kind="t1", number=1, study=1, **tags):
    """Write a volume as one enhanced multi-frame file."""
    lps, sizes = _to_lps(affine)
    ds = _describe(kind, number, study, EnhancedMRImageStorage, tags)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = make_uid(study, number, "enhanced")
    ds.InstanceNumber = 1
    ds.DimensionOrganizationType = "3D"
    shared = Dataset()
    shared.PixelMeasuresSequence = [_item(PixelSpacing=_ds([sizes[1], sizes[0]]), SliceThickness=float(sizes[2]))]
    direction = _ds([*lps[:3, 0] / sizes[0], *lps[:3, 1] / sizes[1]])
    shared.PlaneOrientationSequence = [_item(ImageOrientationPatient=direction)]
    timing = {key: ds[key].value for key in ("RepetitionTime", "FlipAngle")}
    shared.MRTimingAndRelatedParametersSequence = [_item(**timing)]
    shared.MREchoSequence = [_item(EffectiveEchoTime=float(ds.EchoTime))]
    ds.SharedFunctionalGroupsSequence = [shared]
    ds.PerFrameFunctionalGroupsSequence = [
        _item(
            FrameContentSequence=[_item(StackID="1", InStackPositionNumber=k + 1, DimensionIndexValues=[1, k + 1])],
            PlanePositionSequence=[_item(ImagePositionPatient=_ds(lps[:3] @ [0, 0, k, 1]))],
        )
        for k in range(data.shape[2])
    ]
    ds.NumberOfFrames = data.shape[2]
    _set_pixels(ds, data.transpose(2, 1, 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)


def _describe(kind, number, study, storage, tags):
    """Everything of a header that is the same for all slices."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.file_meta.MediaStorageSOPClassUID = ds.SOPClassUID = storage
    for key, value in SECRETS.items():
        setattr(ds, key, value)
    ds.private_block(0x0029, "NEUROGRAFT TEST", create=True).add_new(0x10, "LO", PRIVATE)
    ds.Modality, ds.Manufacturer, ds.ManufacturerModelName = "MR", "SIEMENS", "Avanto"
    ds.ImageType, ds.MagneticFieldStrength = ["ORIGINAL", "PRIMARY", "M"], 1.5
    ds.SeriesNumber, ds.SeriesTime = number, f"14{number % 60:02d}00"
    ds.StudyInstanceUID, ds.FrameOfReferenceUID = make_uid(study), make_uid(study, "frame")
    ds.SeriesInstanceUID = make_uid(study, number)
    for key, value in (KINDS[kind] | tags).items():
        if value is None:
            delattr(ds, key)
        else:
            setattr(ds, key, value)
    return ds


def _to_lps(affine):
    """Turn RAS into DICOM's LPS, with the voxel's three sizes."""
    lps = np.diag([-1.0, -1, 1, 1]) @ np.asarray(affine, float)
    return lps, np.linalg.norm(lps[:3, :3], axis=0)


def _ds(numbers):
    """Round to what a decimal string of 16 characters holds."""
    return [float(f"{number:.9g}") if abs(number) > 1e-8 else 0.0 for number in numbers]


def _item(**fields):
    """Make an item of a sequence."""
    ds = Dataset()
    for key, value in fields.items():
        setattr(ds, key, value)
    return ds


def _set_pixels(ds, pixels):
    """Put (rows, columns) or (frames, rows, columns) of 16 bits into a header."""
    ds.Rows, ds.Columns = pixels.shape[-2:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 16, 16, 15
    ds.PixelData = np.ascontiguousarray(pixels.astype("<u2")).tobytes()
