"""Rank one subject's supervoxels by how much they look like tumour."""

from neurograft import candidates, derivatives, images, logs, supervoxel_files, tables

logs.send_to_log(snakemake.log[0])
registered = images.read_scans(snakemake.input.scans)
normalized = derivatives.read_normalized(snakemake.input.mask.removesuffix("_desc-brain_mask.nii.gz"))
labels = registered.get("labels")
proposed, table, record, cut = candidates.propose_candidates(
    normalized, registered["brain"], labels, priors=snakemake.wildcards.space == "MNI152", **snakemake.params.options
)
images.write_image(snakemake.output.candidates, proposed, {"Description": "rank of each candidate"})
tables.write_table(snakemake.output.table, table.to_dict("records"), list(table.columns))
images.write_json(snakemake.output.record, record)
supervoxel_files.write_supervoxels(snakemake.output.supervoxels, **cut, labels=labels)
