"""Copy one subject's scans without face and without names."""

from neurograft import images, logs, sharing

logs.send_to_log(snakemake.log[0])
sharing.share_scans(
    snakemake.output.folder,
    snakemake.output.picture,
    snakemake.wildcards.subject,
    images.read_json(snakemake.input.status),
    snakemake.input.masks.removesuffix("_desc-brain_mask.nii.gz"),
    **snakemake.params.options,
)
