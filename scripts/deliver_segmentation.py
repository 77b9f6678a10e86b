"""Deliver one subject's segmentation on its native grid, and draw the subject's pictures for the report."""

from neurograft.core import files
from neurograft.delivery import native_grid, segmentation, subject_figures, viewer_volumes
from neurograft.execution import logs
from neurograft.experiment import cell_folder
from neurograft.imaging import derivatives, nifti
from neurograft.preprocessing import registration

logs.send_to_log(snakemake.log[0])
given, options = snakemake.input, registration.RegistrationOptions(**snakemake.params.options)
status, splits = files.read_json(given.status), files.read_json(given.splits)
stem, space_stem = derivatives.stem_of(given.mask), derivatives.stem_of(given.candidates)
scans, registered = nifti.read_scans(given.scans), nifti.read_scans(given.registered)
template = registration.load_template(options.template, options.spacing)
transforms = native_grid.read_registration(given.registration)
cells, output = cell_folder.find_cells(given.cells), snakemake.output
record = segmentation.deliver_subject(stem, status["subject"], cells, splits, status, transforms)
subject_figures.draw_subject(output.figures, status, scans, registered, stem, space_stem, template)
viewer_volumes.write_volumes(output.volumes, status, scans, stem, transforms, splits, snakemake.params.viewer)
files.write_json(output.record, record)
