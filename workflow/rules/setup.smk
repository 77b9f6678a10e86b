# Validates the config, and lists the cohort by names only.
from functools import lru_cache

from neurograft.cohort import file_names
from neurograft.core import design, judging, peers, replay, strategies, tables
from neurograft.experiment import setup
from neurograft.sources import table as source_table

try:
    # once a run is enough to verify weights: each training verifies what it loads
    RUN = setup.prepare_run(config, workflow.basedir, verified=workflow.is_main_process)
except setup.SetupError as mistake:
    raise WorkflowError(str(mistake)) from None
config.update(RUN.config)
DESIGN = RUN.design


# The first thing to run on data of one's own: it needs no network, and opens no scan but its header.
rule check_dataset:
    output:
        survey="results/check.json",
        words="results/check.txt",
    log:
        "results/logs/check_dataset.log",
    benchmark:
        "results/benchmarks/check_dataset/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(5),
    params:
        dataset=config["dataset"],
        files=lambda wildcards: RUN.digest_names(),
        code=digest("check_dataset"),
    script:
        "../../scripts/check_dataset.py"
