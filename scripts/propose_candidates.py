"""Rank one subject's supervoxels by how much they look like tumour."""

from neurograft.candidates import proposal, supervoxel_files
from neurograft.core import files, tables
from neurograft.execution import logs
from neurograft.imaging import derivatives, nifti, templates

logs.send_to_log(snakemake.log[0])
registered = nifti.read_scans(snakemake.input.scans)
normalized = derivatives.read_normalized(derivatives.stem_of(snakemake.input.mask))
labels, options = registered.get("labels"), proposal.ProposalOptions(**snakemake.params.options)
proposed, table, record, cut = proposal.propose_candidates(
    normalized, registered["brain"], labels, options, priors=snakemake.wildcards.space == templates.MNI152
)
nifti.write_image(snakemake.output.candidates, proposed, {"Description": "rank of each candidate"})
tables.write_table(snakemake.output.table, table.to_dict("records"), list(table.columns))
files.write_json(snakemake.output.record, record)
supervoxel_files.write_supervoxels(snakemake.output.supervoxels, **cut, labels=labels)
