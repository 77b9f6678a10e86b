"""Copy one subject's scans without face and without names."""

from neurograft.core import files
from neurograft.delivery import sharing
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
sharing.share_scans(
    snakemake.output.folder,
    snakemake.output.picture,
    snakemake.wildcards.subject,
    files.read_json(snakemake.input.status),
    snakemake.input.masks.removesuffix("_desc-brain_mask.nii.gz"),
    **snakemake.params.options,
)
