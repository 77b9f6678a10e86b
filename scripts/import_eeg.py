"""Read one person's EEG and cut it into trials."""

from neurograft.core import files
from neurograft.eeg import recording_files, recordings, trials
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
runs = snakemake.params.runs or recording_files.find_simulated(snakemake.input[0])
found, record = recordings.import_person(runs, snakemake.params.options)
trials.write_trials(snakemake.output.trials, found)
files.write_json(snakemake.output.record, record)
