"""Lay the copies of all subjects out under numbers."""

from neurograft.delivery import sharing
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
shared = dict(zip(snakemake.params.subjects, snakemake.input, strict=True))
sharing.gather_shared(snakemake.output[0], snakemake.params.key, shared, snakemake.params.seed)
