"""Bring one subject's registered images onto one intensity scale, and cut them into slices."""

from neurograft import cases, derivatives, images, intensity, logs

logs.send_to_log(snakemake.log[0])
registered = images.read_scans(snakemake.input.scans)
normalized, record = intensity.normalize_intensity(registered, **snakemake.params.options)
cut = intensity.cut_slices(normalized, registered.get("labels"), record.get("landmarks"))
cases.write_slices(snakemake.output.slices, *cut)
derivatives.write_normalized(snakemake.output.mask.removesuffix("_desc-brain_mask.nii.gz"), normalized)
images.write_json(snakemake.output.record, record)
