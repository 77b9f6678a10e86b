"""Simulate one person: a head, a cap and trials, written as BIDS."""

from neurograft.eeg import simulated_people
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
simulated_people.simulate_person(
    snakemake.output.folder, snakemake.output.truth, int(snakemake.wildcards.subject), snakemake.params.seed
)
