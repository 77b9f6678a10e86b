"""Simulate one subject of the demo cohort."""

from neurograft.execution import logs
from neurograft.simulation import subjects

logs.send_to_log(snakemake.log[0])
index = int(snakemake.wildcards.subject.removeprefix("phantom"))
scans, truth = subjects.simulate_subject(index, seed=snakemake.params.seed, **snakemake.params.options)
subjects.write_subject(snakemake.output[0], scans, truth)
