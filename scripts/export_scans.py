"""Write one subject's scans on one grid, without skull, as other programs take them."""

from neurograft.core import files
from neurograft.exchange import exported_scans
from neurograft.execution import logs
from neurograft.imaging import derivatives, nifti

logs.send_to_log(snakemake.log[0])
status = files.read_json(snakemake.input.status)
exported_scans.export_scans(
    snakemake.output[0],
    status,
    nifti.read_scans(snakemake.input.scans),
    derivatives.read_masks(derivatives.stem_of(snakemake.input.masks), status["sequences"]),
    files.read_json(snakemake.input.registration),
)
