"""Add the fingerprints of this cohort to the registry of public releases."""

from neurograft.execution import logs
from neurograft.guard import fingerprints, registry, release_prints

logs.send_to_log(snakemake.log[0])
prints = fingerprints.read_fingerprints(snakemake.input[0])
logs.log_line(release_prints.add_release(snakemake.params.name, prints, registry.FOLDER))
