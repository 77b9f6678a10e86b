"""Read and check one subject's scans; a subject at fault gets a status, not a failed job."""

from neurograft import checks, images, logs

logs.send_to_log(snakemake.log[0])
status, scans = checks.import_scans(
    snakemake.wildcards.subject,
    snakemake.params.found,
    snakemake.params.layout,
    template=snakemake.params.template,
    **snakemake.params.options,
)
images.write_scans(snakemake.output.scans, scans)
images.write_json(snakemake.output.status, status)
