"""Copy one subject's scans without face and without names."""

from neurograft.core import files
from neurograft.delivery import sharing
from neurograft.execution import logs
from neurograft.imaging import derivatives

logs.send_to_log(snakemake.log[0])
sharing.share_scans(
    snakemake.output.folder,
    snakemake.output.picture,
    snakemake.wildcards.subject,
    files.read_json(snakemake.input.status),
    derivatives.stem_of(snakemake.input.masks),
    **snakemake.params.options,
)
