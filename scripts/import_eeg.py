"""Read one person's EEG and cut it into trials."""

from neurograft.core import files
from neurograft.eeg import recordings, setup, trials
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
runs = snakemake.params.runs or setup.find_simulated(snakemake.input[0])
found, record = recordings.import_person(runs, snakemake.params.options)
trials.write_trials(snakemake.output.trials, found)
files.write_json(snakemake.output.record, record)
