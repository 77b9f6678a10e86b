"""Draw one subject's pictures for the report."""

from neurograft import images, logs, pictures, registration

logs.send_to_log(snakemake.log[0])
mask, candidates = snakemake.input.mask, snakemake.input.candidates
options = snakemake.params.options
pictures.draw_subject(
    snakemake.output[0],
    snakemake.wildcards.subject,
    images.read_json(snakemake.input.status),
    images.read_scans(snakemake.input.scans),
    images.read_scans(snakemake.input.registered),
    mask.removesuffix("_desc-brain_mask.nii.gz"),
    candidates.removesuffix("_desc-candidates_dseg.nii.gz"),
    registration.load_template(options["template"], options["spacing"]),
)
