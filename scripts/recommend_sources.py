"""Rank the sources for this cohort by their scores alone."""

from pathlib import Path

from neurograft.core import tables
from neurograft.execution import logs
from neurograft.guard.contamination import read_barred
from neurograft.transferability import recommendation, scores

logs.send_to_log(snakemake.log[0])
rows = scores.gather_scores(
    [row for path in snakemake.input.scores for row in tables.read_table(path)],
    snakemake.params.volumes,
    snakemake.params.spaces,
)
barred = read_barred(snakemake.input.seen, snakemake.params.allowed)
ranked, words = recommendation.recommend_sources(rows, snakemake.params.audit, barred)
tables.write_table(snakemake.output.ranking, ranked, recommendation.RANKED)
Path(snakemake.output.words).write_text("\n".join(words) + "\n", encoding="utf-8")
