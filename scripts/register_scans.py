"""Move one subject's sequences onto the template, resampling each image once."""

from neurograft.core import files
from neurograft.execution import logs
from neurograft.imaging import derivatives, nifti
from neurograft.preprocessing import registration

logs.send_to_log(snakemake.log[0])
status = files.read_json(snakemake.input.status)
options = registration.RegistrationOptions(**snakemake.params.options)
registered, record = registration.register_scans(
    nifti.read_scans(snakemake.input.scans),
    derivatives.read_masks(derivatives.stem_of(snakemake.input.masks), status["sequences"]),
    registration.PriorAlignment.from_status(status),
    registration.load_template(options.template, options.spacing),
    options,
    threads=snakemake.threads,
)
nifti.write_scans(snakemake.output.scans, registered, packed=True, threads=snakemake.threads)
files.write_json(snakemake.output.record, record)
