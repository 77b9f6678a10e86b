"""Write the report."""

from neurograft.execution import logs
from neurograft.report import pages, results

logs.send_to_log(snakemake.log[0])

pages.write_report(
    snakemake.output[0],
    **results.read_results(snakemake.input, snakemake.params.benchmarks),
    sources=snakemake.params.sources.values(),
    primary=snakemake.params.primary,
    config=snakemake.params.config,
    simulated=snakemake.params.config["dataset"]["layout"] == "phantom",
    title=snakemake.params.config["report"]["title"],
)
