"""Read and check one subject's scans; a subject at fault gets a status, not a failed job."""

from neurograft.cohort import validation
from neurograft.core import files
from neurograft.execution import logs
from neurograft.imaging import nifti

logs.send_to_log(snakemake.log[0])
status, scans = validation.import_scans(
    snakemake.wildcards.subject,
    snakemake.params.found,
    snakemake.params.layout,
    template=snakemake.params.template,
    **snakemake.params.options,
)
nifti.write_scans(snakemake.output.scans, scans)
files.write_json(snakemake.output.status, status)
