"""Write the report."""

from neurograft import logs, reading, report

logs.send_to_log(snakemake.log[0])
report.write_report(
    snakemake.output[0],
    **reading.read_results(snakemake.input, snakemake.params.benchmarks),
    sources=snakemake.params.sources.values(),
    primary=snakemake.params.primary,
    config=snakemake.params.config,
    simulated=snakemake.params.config["dataset"]["layout"] == "phantom",
    title=snakemake.params.config["report"]["title"],
)
