"""Judge what others' trials are worth, and what anatomy adds to it."""

from neurograft.core import tables
from neurograft.eeg import findings, transfer
from neurograft.evaluation import comparison
from neurograft.execution import logs

logs.send_to_log(snakemake.log[0])
scores, chosen = (
    [row for path in paths for row in tables.read_table(path)]
    for paths in (snakemake.input.scores, snakemake.input.chosen)
)
found = findings.assess(scores, snakemake.params.margins, snakemake.params.spaces)
tables.write_table(snakemake.output.scores, scores, transfer.SCORES)
tables.write_table(snakemake.output.chosen, chosen, transfer.CHOSEN)
tables.write_table(snakemake.output.comparison, found.comparison, comparison.COMPARISON)
tables.write_table(snakemake.output.labels_saved, found.labels_saved, findings.LABELS_SAVED)
tables.write_table(snakemake.output.anatomy, found.anatomy, findings.ANATOMY)
tables.write_table(snakemake.output.means, found.means, findings.MEANS)
