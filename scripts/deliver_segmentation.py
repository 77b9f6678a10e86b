"""Deliver one subject's segmentation on its native grid, and draw the subject's pictures for the report."""

from neurograft.core import files
from neurograft.delivery import native_grid, segmentation, subject_figures
from neurograft.execution import logs
from neurograft.experiment import cell_folder
from neurograft.imaging import nifti
from neurograft.preprocessing import registration

logs.send_to_log(snakemake.log[0])
given, subject = snakemake.input, snakemake.wildcards.subject
stem = given.mask.removesuffix("_desc-brain_mask.nii.gz")
options = snakemake.params.options

status = files.read_json(given.status)

record = segmentation.deliver_subject(
    stem,
    subject,
    cell_folder.find_cells(given.cells),
    files.read_json(given.splits),
    status,
    native_grid.read_registration(given.registration),
)

subject_figures.draw_subject(
    snakemake.output.figures,
    subject,
    status,
    nifti.read_scans(given.scans),
    nifti.read_scans(given.registered),
    stem,
    given.candidates.removesuffix("_desc-candidates_dseg.nii.gz"),
    registration.load_template(options["template"], options["spacing"]),
)

files.write_json(snakemake.output.record, record)
