"""Rigid, affine and deformable registration engines; each is a row of `registration.REGISTRATION_ENGINES`."""

import io
import os
import tempfile

import numpy as np

from neurograft.imaging.resampling import working_copy
from neurograft.imaging.transforms import make_field
from neurograft.imaging.typed import load_nifti

# In mm. All engines work on isotropic copies, cropped to the brain, so that the levels of their pyramids do not depend
# on slice thickness or matrix size (with 5.5 mm slices, a third level would be 22 mm). On ten real heads, an affine
# alignment at 3 mm was as good as one at 2 mm (NMI, overlap), in a third of the time.
WORKING_SPACING = {"rigid": 2.0, "affine": 3.0}
SEED = 1
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])  # ITK's axes point to the left and to the back


def lps_grid(scan):
    """Return data (float32), origin, spacing and direction of an image in ITK's convention (LPS)."""
    affine = LPS @ scan.affine
    size = np.linalg.norm(affine[:3, :3], axis=0)
    data = np.ascontiguousarray(np.asanyarray(scan.dataobj), dtype=np.float32)
    return data, affine[:3, 3].tolist(), size.tolist(), affine[:3, :3] / size


def to_itk(scan):
    """Convert an image to a SimpleITK image, float32, in the same world."""
    import SimpleITK as sitk

    data, origin, size, direction = lps_grid(scan)
    converted = sitk.GetImageFromArray(np.ascontiguousarray(data.T))
    converted.SetOrigin(origin)
    converted.SetSpacing(size)
    converted.SetDirection(direction.ravel().tolist())
    return converted


def to_ants(scan):
    """Convert an image to an ANTs image, float32, in the same world."""
    import ants

    data, origin, size, direction = lps_grid(scan)
    return ants.from_numpy(data, origin=origin, spacing=size, direction=direction)


def _working_pair(fixed, moving, kind, fixed_mask, moving_mask, convert):
    pair = ((fixed, fixed_mask), (moving, moving_mask))
    return [convert(working_copy(scan, mask, WORKING_SPACING[kind])) for scan, mask in pair]


def align_greedy(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with greedy (Yushkevich et al., picsl-greedy) by normalised mutual information, starting from the identity.

    Parameters
    ----------
    fixed, moving : nibabel.Nifti1Image
    kind : str
        "rigid" or "affine".
    fixed_mask, moving_mask : nibabel.Nifti1Image, optional
        Brain masks; by default, all non-zero voxels. Voxels outside are set to zero but are part of the comparison,
        because the outline of the brain stabilises the alignment (restricted to a mask, greedy's line search failed on
        real T2 and FLAIR).
    threads : int
        With more than 1, the order of summation varies, so the fourth digit of the transform differs between runs.

    Returns
    -------
    ndarray, shape (4, 4)
        Fixed world to moving world.
    """
    from picsl_greedy import Greedy3D

    pair = _working_pair(fixed, moving, kind, fixed_mask, moving_mask, to_itk)
    greedy = Greedy3D()
    # only the last level may have 0 iterations: greedy 1.4.0 crashes on "0x50"
    common = f"-d 3 -threads {threads} -seed {SEED} -V 0 -a -m NMI -i fixed moving"
    output = io.StringIO()
    greedy.execute(
        f"{common} -dof 6 -n 60x20 -ia-identity -o rigid", out=output, fixed=pair[0], moving=pair[1], rigid=None
    )
    if kind == "affine":
        greedy.execute(f"{common} -dof 12 -n 50x30 -ia rigid -o affine", out=output, affine=None)
    return np.asarray(greedy[kind])


def align_ants(fixed, moving, kind, fixed_mask=None, moving_mask=None, threads=1):
    """Align with ANTs (Avants et al. 2011, antspyx) by Mattes mutual information; parameters as in `align_greedy`.

    ITK fixes the number of threads at the first call in a process.
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
    """Align with SimpleITK (Lowekamp et al. 2013) by Mattes mutual information; parameters as in `align_greedy`."""
    import SimpleITK as sitk

    # global, because the registration method does not pass its own number of threads to its metric
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    pair = _working_pair(fixed, moving, kind, fixed_mask, moving_mask, to_itk)
    middle = np.array(pair[0].TransformContinuousIndexToPhysicalPoint([(n - 1) / 2 for n in pair[0].GetSize()]))
    transform = sitk.Euler3DTransform()
    transform.SetCenter(middle)
    for step in ("rigid", "affine") if kind == "affine" else ("rigid",):
        if step == "affine":
            wider = sitk.AffineTransform(3)
            wider.SetCenter(middle)
            wider.SetMatrix(transform.GetMatrix())
            wider.SetTranslation(transform.GetTranslation())
            transform = wider
        method = sitk.ImageRegistrationMethod()
        method.SetMetricAsMattesMutualInformation(32)
        method.SetMetricSamplingStrategy(method.REGULAR)
        method.SetMetricSamplingPercentage(0.3, SEED)
        method.SetInterpolator(sitk.sitkLinear)
        method.SetOptimizerAsRegularStepGradientDescent(1.0, 0.005, 100, relaxationFactor=0.6)
        method.SetOptimizerScalesFromPhysicalShift()
        method.SetShrinkFactorsPerLevel((4, 2, 1))
        method.SetSmoothingSigmasPerLevel((2, 1, 0))
        method.SetInitialTransform(transform, inPlace=True)
        method.Execute(*pair)
    return _about_centre(transform.GetMatrix(), transform.GetTranslation(), middle)


def _about_centre(matrix, shift, centre):
    """Convert an ITK transform, which is in LPS and rotates about a centre, to a matrix in RAS."""
    transform = np.eye(4)
    transform[:3, :3] = np.reshape(matrix, (3, 3))
    transform[:3, 3] = np.asarray(shift) + centre - transform[:3, :3] @ centre
    return LPS @ transform @ LPS


def deform_greedy(fixed, moving, counted, threads=1):
    """Deform with greedy (Yushkevich et al., picsl-greedy) by local normalised cross-correlation.

    The metric WNCC also excludes masked voxels from the neighbourhoods. With NCC, the neighbourhoods extend into the
    lesion, by 36 mm at the coarsest level: a simulated tumour then shrank by 18 %, but by 3 % with WNCC (truth: 4 %).

    Parameters
    ----------
    fixed, moving : nibabel.Nifti1Image, shape (X, Y, Z)
        Skull-stripped brains on one grid, already affinely aligned.
    counted : nibabel.Nifti1Image, shape (X, Y, Z)
        Mask of the voxels that are compared.
    threads : int
        Only with 1 are the results the same to the byte.

    Returns
    -------
    nibabel.Nifti1Image, shape (X, Y, Z, 3)
        Fixed world to moving world.
    """
    from picsl_greedy import Greedy3D

    greedy = Greedy3D()
    # the metric adds a little noise, hence the seed; without -wp 0, the field is rounded to a tenth of a voxel
    greedy.execute(
        f"-d 3 -threads {threads} -seed {SEED} -V 0 -wp 0 -i fixed moving -gm counted -o warp "
        "-m WNCC 3x3x3 -n 60x40x20 -s 2.0vox 1.0vox",
        out=io.StringIO(), fixed=to_itk(fixed), moving=to_itk(moving), counted=to_itk(counted), warp=None,
    )  # fmt: skip
    return _from_itk(greedy["warp"], fixed)


def deform_ants(fixed, moving, counted, threads=1):
    """Deform with ANTs (SyN; Avants et al. 2011, antspyx) by mutual information; parameters as in `deform_greedy`."""
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
    """Deform with SimpleITK (B-splines of 24 mm) by Mattes mutual information; parameters as in `deform_greedy`."""
    import SimpleITK as sitk

    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    still, moved = to_itk(fixed), to_itk(moving)
    extent = np.array(still.GetSize()) * still.GetSpacing()
    mesh = [int(n) for n in np.maximum(1, np.round(extent / 48))]  # mm; halved at the second level
    transform = sitk.BSplineTransformInitializer(still, mesh)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.1, SEED)
    method.SetMetricFixedMask(sitk.Cast(to_itk(counted) > 0.5, sitk.sitkUInt8))
    method.SetInterpolator(sitk.sitkLinear)
    # line searches of 5 steps; the default of 20 took three times as long and was no better
    method.SetOptimizerAsGradientDescentLineSearch(5.0, 25, 1e-5, 5, 0.0, 5.0, 0.05, 5)
    method.SetShrinkFactorsPerLevel((2, 1))
    method.SetSmoothingSigmasPerLevel((1, 0))
    method.SetInitialTransformAsBSpline(transform, inPlace=True, scaleFactors=[1, 2])
    method.Execute(still, moved)
    return _from_itk(sitk.TransformToDisplacementField(transform, sitk.sitkVectorFloat64, still.GetSize(),
        still.GetOrigin(), still.GetSpacing(), still.GetDirection()), fixed)  # fmt: skip


def _from_itk(warp, like):
    """Convert a SimpleITK displacement image, which is in LPS, to a field in RAS."""
    import SimpleITK as sitk

    moves = sitk.GetArrayFromImage(warp).transpose(2, 1, 0, 3)
    return make_field(moves * [-1, -1, 1], like.affine)
