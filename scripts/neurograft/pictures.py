"""One subject's pictures for the report, from the files that the steps wrote."""

from pathlib import Path

import nibabel as nib
import numpy as np

from neurograft import derivatives, figures, images, tables


def draw_subject(folder, subject, status, scans, registered, stem, space_stem, template=None):
    """Draw quality, candidates and, where something was delivered, the segmentation of a subject.

    Parameters
    ----------
    folder : str or Path
        The pictures' folder, written whole.
    subject : str
    status : dict
        Import status.
    scans, registered : dict of str to nibabel.Nifti1Image
        As imported, with `labels` where there are any, and as registered.
    stem, space_stem : str
        The subject's stems (`derivatives`) on native grids and in template space.
    template : nibabel.Nifti1Image, optional
        The template on the registered grid.
    """
    sequences = {name: scans[name] for name in status["sequences"]}
    simulated = status["layout"] == "phantom"
    common = {"title": f"sub-{subject}", "simulated": simulated}
    masks = derivatives.read_masks(stem, sequences)
    drawn = {"quality": figures.draw_quality(sequences, masks, registered, template, **common)}
    candidates = images.read_image(f"{space_stem}_desc-candidates_dseg.nii.gz")
    normalized = derivatives.read_normalized(space_stem)
    drawn["candidates"] = figures.draw_candidates(normalized, candidates, registered.get("labels"), **common)
    delivered = Path(f"{stem}_dseg.nii.gz")
    if delivered.exists():
        drawn["segmentation"] = _draw_segmentation(delivered, status, scans, common)
    with images.whole(folder) as part:
        part.mkdir()
        for name, figure in drawn.items():
            figures.save_figure(figure, part / f"{name}.png")


def _draw_segmentation(delivered, status, scans, common):
    """Draw what was delivered on the reference, beside the labels, moved to its grid if they lie on another."""
    reference = scans[status["reference"]]
    truth = scans.get("labels")
    same = truth is None or (truth.shape == reference.shape and np.allclose(truth.affine, reference.affine, atol=1e-3))
    if not same:
        truth = images.resample_labels(truth, reference.shape, reference.affine)
    predicted = images.onto_axes(nib.load(delivered), reference.affine)
    tissues = tables.read_table(str(delivered).removesuffix(".nii.gz") + ".tsv")
    scheme = {row["name"]: int(row["index"]) for row in tissues if row["name"] != "background"}
    return figures.draw_segmentation(reference, predicted, truth, scheme, **common)
