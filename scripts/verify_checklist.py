"""Compare the report's checklist with the files of the run, and say what differs."""

from pathlib import Path

from neurograft.report import results
from neurograft.report.chapters import checklist

# nothing goes to the log but what whoever asked has read: this is a question, and the answer belongs on the screen
params, log = snakemake.params, Path(snakemake.log[0])
run = results.read_results(
    snakemake.input, params.benchmarks, config=params.config, primary=params.primary, sources=params.sources.values()
)
answer = checklist.verify_checklist(Path(snakemake.input.report) / checklist.FILE, run)
log.write_text(f"{answer}\n", encoding="utf-8")
print(answer)
