"""Deliver one subject's segmentation on its native grid, and draw the subject's pictures for the report."""

from neurograft import delivered, images, logs, pictures, registration

logs.send_to_log(snakemake.log[0])
given, subject = snakemake.input, snakemake.wildcards.subject
stem = given.mask.removesuffix("_desc-brain_mask.nii.gz")
options = snakemake.params.options
status = images.read_json(given.status)
record = delivered.deliver_subject(
    stem,
    subject,
    delivered.find_cells(given.cells),
    images.read_json(given.splits),
    status,
    delivered.read_registration(given.registration),
)
pictures.draw_subject(
    snakemake.output.figures,
    subject,
    status,
    images.read_scans(given.scans),
    images.read_scans(given.registered),
    stem,
    given.candidates.removesuffix("_desc-candidates_dseg.nii.gz"),
    registration.load_template(options["template"], options["spacing"]),
)
images.write_json(snakemake.output.record, record)
