"""Download the weights of one source."""

import sys

from neurograft.execution import logs
from neurograft.sources import downloads, table

logs.send_to_log(snakemake.log[0])
# what goes wrong here is said in one line
sys.tracebacklimit = 0
downloads.fetch_source(
    snakemake.output[0],
    snakemake.wildcards.source,
    table.read_sources(snakemake.input.table),
)
