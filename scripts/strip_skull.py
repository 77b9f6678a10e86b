"""Find the brain on every sequence of one subject."""

from neurograft.core import files
from neurograft.execution import logs
from neurograft.imaging import derivatives, nifti
from neurograft.preprocessing import brain_extraction

logs.send_to_log(snakemake.log[0])
status = files.read_json(snakemake.input.status)
scans = nifti.read_scans(snakemake.input.scans)
stripped = {name: file["stripped"] for name, file in status["sequences"].items()}
masks, record, disagreement = brain_extraction.strip_skull(
    scans, stripped, status["reference"], threads=1, **snakemake.params.options
)
stem = derivatives.stem_of(snakemake.output.mask)
derivatives.write_masks(stem, masks, status)
derivatives.write_disagreement(stem, disagreement, status, record)
files.write_json(snakemake.output.record, record)
