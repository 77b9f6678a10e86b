"""Compute what one person's electrodes see of the template's cortex, and of the person's own."""

from neurograft.core import files
from neurograft.eeg import heads, person_heads, trials
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
found, _ = trials.read_import(snakemake.input.trials, snakemake.input.record)
sources = {name: str(snakemake.input.get(name) or "") for name in ("t1", "truth")}
gains, record = person_heads.model_head(found, sources, snakemake.params.options)
heads.write_gains(snakemake.output.gains, gains)
files.write_json(snakemake.output.record, record)
