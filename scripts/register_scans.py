"""Move one subject's sequences onto the template, resampling each image once."""

from neurograft.core import files
from neurograft.execution import logs
from neurograft.imaging import derivatives, nifti
from neurograft.preprocessing import registration

logs.send_to_log(snakemake.log[0])

status = files.read_json(snakemake.input.status)

masks = derivatives.read_masks(snakemake.input.masks.removesuffix("_desc-brain_mask.nii.gz"), status["sequences"])
options = snakemake.params.options
registered, record = registration.register_scans(
    nifti.read_scans(snakemake.input.scans),
    masks,
    status["reference"],
    status["coregistered"],
    registration.load_template(options["template"], options["spacing"]),
    options["spacing"],
    options["engine"],
    labels_on=(status["labels"] or {}).get("grid_of"),
    in_template=status["in_template"],
    deformable=options["deformable"],
    threads=snakemake.threads,
)

nifti.write_scans(snakemake.output.scans, registered, packed=True, threads=snakemake.threads)

files.write_json(snakemake.output.record, record)
