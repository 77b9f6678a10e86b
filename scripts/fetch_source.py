"""Download the weights of one source."""

import sys

from neurograft import downloads, logs, sources

logs.send_to_log(snakemake.log[0])
# what goes wrong here is said in one line
sys.tracebacklimit = 0
downloads.fetch_source(
    snakemake.output[0],
    snakemake.wildcards.source,
    sources.read_sources(snakemake.input.table),
)
