"""Write the report."""

from neurograft.execution import logs
from neurograft.report import pages, results

logs.send_to_log(snakemake.log[0])
run = results.read_results(
    snakemake.input,
    snakemake.params.benchmarks,
    config=snakemake.params.config,
    primary=snakemake.params.primary,
    sources=snakemake.params.sources.values(),
)
pages.write_report(snakemake.output[0], run)
