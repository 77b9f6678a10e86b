"""Divide everyone's trials in time, and leave out whoever has too few."""

from neurograft.core import files
from neurograft.eeg import transfer
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
read = transfer.read_people(
    snakemake.params.people, snakemake.input.trials, snakemake.input.records, snakemake.input.heads
)
files.write_json(snakemake.output[0], transfer.split_people(read, snakemake.params.classes, snakemake.params.sizes))
