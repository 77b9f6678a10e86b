"""Registration engines, rigid, affine and deformable: a row of `registration.REGISTRATION_ENGINES` each."""

import io
import os
import tempfile

import numpy as np

from neurograft.imaging.resampling import working_copy
from neurograft.imaging.transforms import make_field
from neurograft.imaging.typed import load_nifti

# All engines see isotropic copies of the brain's box, so that neither slice thickness nor matrix size
# decides how coarse their pyramids get (at 5.5 mm slices a third level would be 22 mm). On ten real heads
# an affine at 3 mm was as good as one at 2 mm (NMI, overlap) in a third of the time.
WORKING_SPACING = {"rigid": 2.0, "affine": 3.0}
SEED = 1
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK counts to the left and to the back


def lps_grid(scan):
    """Return data (float32), origin, spacing and direction of an image in ITK's convention (LPS)."""
    affine = LPS @ scan.affine
    size = np.linalg.norm(affine[:3, :3], axis=0)
    data = np.ascontiguousarray(np.asanyarray(scan.dataobj), dtype=np.float32)
    return data, affine[:3, 3].tolist(), size.tolist(), affine[:3, :3] / size


def to_itk(scan):
    """Make a SimpleITK image of an image, float32, in the same world."""
    import SimpleITK as sitk

    data, origin, size, direction = lps_grid(scan)
    made = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    made.SetOrigin(origin)
    made.SetSpacing(size)
    made.SetDirection(direction.ravel().tolist())
    return made


def to_ants(scan):
    """Make an ANTs image of an image, float32, in the same world."""
    import ants

    data, origin, size, direction = lps_grid(scan)
    return ants.from_numpy(data, origin=origin, spacing=size, direction=direction)


def _working_pair(fixed, moving, kind, fixed_mask, moving_mask, convert):
    pair = ((fixed, fixed_mask), (moving, moving_mask))
    return [convert(working_copy(scan, mask, WORKING_SPACING[kind])) for scan, mask in pair]


def align_greedy(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with greedy (Yushkevich et al., picsl-greedy), normalised mutual information, from where they lie.

    Parameters
    ----------
    fixed, moving : nibabel.Nifti1Image
    kind : str
        "rigid" or "affine".
    fixed_mask, moving_mask : nibabel.Nifti1Image, optional
        Brains; all that is not zero if absent. The rest is set to zero and takes part: the outline of the
        brain holds the alignment (within a mask alone greedy's line search failed on real T2 and FLAIR).
    threads : int
        More than 1 adds in varying order: the transform then differs in its fourth digit from run to run.

    Returns
    -------
    ndarray, shape (4, 4)
        Fixed world to moving world.
    """
    from picsl_greedy import Greedy3D

    pair = _working_pair(fixed, moving, kind, fixed_mask, moving_mask, to_itk)
    greedy = Greedy3D()
    # no level may have 0 iterations unless it is the last one: greedy 1.4.0 crashes on "0x50"
    common = f"-d 3 -threads {threads} -seed {SEED} -V 0 -a -m NMI -i fixed moving"
    said = io.StringIO()
    greedy.execute(
        f"{common} -dof 6 -n 60x20 -ia-identity -o rigid", out=said, fixed=pair[0], moving=pair[1], rigid=None
    )
    if kind == "affine":
        greedy.execute(f"{common} -dof 12 -n 50x30 -ia rigid -o affine", out=said, affine=None)
    return np.asarray(greedy[kind])


def align_ants(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with ANTs (Avants et al. 2011, antspyx), Mattes mutual information; parameters as `align_greedy`.

    The number of threads is ITK's, fixed by the first call of a process.
    """
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    import ants
    import ants.config

    pair = _working_pair(fixed, moving, kind, fixed_mask, moving_mask, to_ants)
    ants.config._random_seed = SEED
    with tempfile.TemporaryDirectory() as folder:
        start: list[str] = []
        for step in ("Rigid", "Affine") if kind == "affine" else ("Rigid",):
            done = ants.registration(
                *pair,
                type_of_transform=step,
                initial_transform=start or None,
                outprefix=os.path.join(folder, step),
                aff_iterations=(100, 100, 30),
                aff_shrink_factors=(4, 2, 1),
                aff_smoothing_sigmas=(2, 1, 0),
                aff_random_sampling_rate=0.3,
            )
            start = done["fwdtransforms"]
        read = ants.read_transform(start[-1])
        matrix, shift = np.split(np.asarray(read.parameters), [9])
        centre = np.asarray(read.fixed_parameters)
    return _about_centre(matrix, shift, centre)


def align_simpleitk(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with SimpleITK (Lowekamp et al. 2013), Mattes mutual information; parameters as `align_greedy`."""
    import SimpleITK as sitk

    # the method's own number of threads does not reach its metric
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    pair = _working_pair(fixed, moving, kind, fixed_mask, moving_mask, to_itk)
    middle = np.array(pair[0].TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in pair[0].GetSize()]))
    found = sitk.Euler3DTransform()
    found.SetCenter(middle)
    for step in ("rigid", "affine") if kind == "affine" else ("rigid",):
        if step == "affine":
            wider = sitk.AffineTransform(3)
            wider.SetCenter(middle)
            wider.SetMatrix(found.GetMatrix())
            wider.SetTranslation(found.GetTranslation())
            found = wider
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(0.3, SEED)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.005, 100, relaxationFactor=0.6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel((4, 2, 1))
        method.SetSmoothingSigmasPerLevel((2, 1, 0))
        method.SetInitialTransform(found, inPlace=True)
        method.Execute(*pair)
    return _about_centre(found.GetMatrix(), found.GetTranslation(), middle)


def _about_centre(matrix, shift, centre):
    """Convert an ITK transform, which turns about a centre and is in LPS, to a matrix in RAS."""
    transform = np.eye(4)
    transform[:3, :3] = np.reshape(matrix, (3, 3))
    transform[:3, 3] = np.asarray(shift) + centre - transform[:3, :3] @ centre
    return LPS @ transform @ LPS


def deform_greedy(fixed, moving, counted, threads=1):
    """Deform with greedy (Yushkevich et al., picsl-greedy), normalised cross-correlation of neighbourhoods.

    WNCC leaves what does not count out of the neighbourhoods too. With NCC they reach into the lesion, at the
    coarsest level by 36 mm: a planted tumour then shrank by 18 %, where by WNCC it was 3 and truly 4 %.

    Parameters
    ----------
    fixed, moving : nibabel.Nifti1Image, shape (X, Y, Z)
        Stripped brains that lie on each other already, on one grid.
    counted : nibabel.Nifti1Image, shape (X, Y, Z)
        Not zero where the images are compared.
    threads : int
        Results are the same bytes again with 1 only.

    Returns
    -------
    nibabel.Nifti1Image, shape (X, Y, Z, 3)
        Fixed world to moving world.
    """
    from picsl_greedy import Greedy3D

    greedy = Greedy3D()
    # its metric adds a little noise, hence the seed; without -wp 0 the field is rounded to a tenth of a voxel
    greedy.execute(
        f"-d 3 -threads {threads} -seed {SEED} -V 0 -wp 0 -i fixed moving -gm counted -o warp "
        "-m WNCC 3x3x3 -n 60x40x20 -s 2.0vox 1.0vox",
        out=io.StringIO(), fixed=to_itk(fixed), moving=to_itk(moving), counted=to_itk(counted), warp=None,
    )  # fmt: skip
    return _from_itk(greedy["warp"], fixed)


def deform_ants(fixed, moving, counted, threads=1):
    """Deform with ANTs (SyN; Avants et al. 2011, antspyx), mutual information; parameters as `deform_greedy`."""
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = str(threads)
    import ants
    import ants.config

    ants.config._random_seed = SEED
    with tempfile.TemporaryDirectory() as folder:
        done = ants.registration(
            *map(to_ants, (fixed, moving)),
            type_of_transform="SyNOnly",
            initial_transform="identity",
            mask=to_ants(counted),
            outprefix=os.path.join(folder, "syn"),
            reg_iterations=(40, 20, 10),
        )
        warp = next(path for path in done["fwdtransforms"] if path.endswith("Warp.nii.gz"))
        moves = np.asarray(load_nifti(warp).dataobj, np.float32).reshape(*fixed.shape, 3)
    return make_field(moves * [-1, -1, 1], fixed.affine)


def deform_simpleitk(fixed, moving, counted, threads=1):
    """Deform with SimpleITK: B-splines of 24 mm, Mattes mutual information; parameters as `deform_greedy`."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    still, moved = to_itk(fixed), to_itk(moving)
    extent = np.array(still.GetSize()) * still.GetSpacing()
    mesh = [int(n) for n in np.maximum(1, np.round(extent / 48))]  # mm; halved at the second level
    found = sitk.BSplineTransformInitializer(still, mesh)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.1, SEED)
    method.SetMetricFixedMask(sitk.Cast(to_itk(counted) > 0.5, sitk.sitkUInt8))
    method.SetInterpolator(sitk.sitkLinear)
    # a search of 5 steps along each line; the 20 that are usual took three times as long and found no more
    method.SetOptimizerAsGradientDescentLineSearch(5.0, 25, 1e-5, 5, 0.0, 5.0, 0.05, 5)
    method.SetShrinkFactorsPerLevel((2, 1))
    method.SetSmoothingSigmasPerLevel((1, 0))
    method.SetInitialTransformAsBSpline(found, inPlace=True, scaleFactors=[1, 2])
    method.Execute(still, moved)
    return _from_itk(sitk.TransformToDisplacementField(found, sitk.sitkVectorFloat64, still.GetSize(),
        still.GetOrigin(), still.GetSpacing(), still.GetDirection()), fixed)  # fmt: skip


def _from_itk(warp, like):
    """Convert a SimpleITK image of displacements, which is in LPS, to a field."""
    import SimpleITK as sitk

    moves = sitk.GetArrayFromImage(warp).transpose(2, 1, 0, 3)
    return make_field(moves * [-1, -1, 1], like.affine)
