"""Bring one subject's registered images onto one intensity scale, and cut them into slices."""

from neurograft.core import files
from neurograft.execution import logs
from neurograft.imaging import derivatives, nifti
from neurograft.preprocessing import intensity
from neurograft.training import slices

logs.send_to_log(snakemake.log[0])
registered = nifti.read_scans(snakemake.input.scans)
normalized, record = intensity.normalize_intensity(registered, **snakemake.params.options)
cut = intensity.cut_slices(normalized, registered.get("labels"), record.get("landmarks"))
slices.write_slices(snakemake.output.slices, *cut, snakemake.params.planes)
derivatives.write_normalized(derivatives.stem_of(snakemake.output.mask), normalized, record)
files.write_json(snakemake.output.record, record)
