"""Simulate one subject of the demo cohort."""

from neurograft import logs, phantom

logs.send_to_log(snakemake.log[0])
index = int(snakemake.wildcards.subject.removeprefix("phantom"))
scans, truth = phantom.simulate_subject(index, seed=snakemake.params.seed, **snakemake.params.options)
phantom.write_subject(snakemake.output[0], scans, truth)
