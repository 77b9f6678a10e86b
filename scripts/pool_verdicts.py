"""Pool the verdict cards of several cohorts."""

from neurograft.core import tables
from neurograft.evaluation import pooled_verdicts, verdict_card
from neurograft.execution import logs
from neurograft.report import pooled_page

logs.send_to_log(snakemake.log[0])
cards, left_out = verdict_card.read_cards(
    snakemake.input.cards, snakemake.params.folder, verdict_card.read_schema(snakemake.input.schema)
)
pooled = pooled_verdicts.pool_verdicts(cards, left_out)
tables.write_table(snakemake.output.table, [arm.row for arm in pooled.arms], pooled_verdicts.POOLED)
pooled_page.write_pooled_page(snakemake.output.page, snakemake.output.words, pooled)
