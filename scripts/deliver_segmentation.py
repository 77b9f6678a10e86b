"""Deliver one subject's segmentation on its native grid."""

from neurograft import delivered, images, logs

logs.send_to_log(snakemake.log[0])
subject = snakemake.wildcards.subject
record = delivered.deliver_subject(
    snakemake.params.stem,
    subject,
    snakemake.input.cells,
    images.read_json(snakemake.input.splits),
    images.read_json(snakemake.input.status),
    delivered.read_registration(snakemake.input.registered),
)
images.write_json(snakemake.output[0], record)
