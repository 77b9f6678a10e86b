# From a dataset to results/cohort.tsv: who is in, who is out, and why.


rule simulate_subject:
    output:
        directory("results/simulated/sub-{subject}"),
    log:
        "results/logs/simulate_subject/sub-{subject}.log",
    benchmark:
        "results/benchmarks/simulate_subject/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=5,
    params:
        seed=config["seed"],
        options=config["simulate_subject"],
        code=digest("simulate_subject"),
    script:
        "../../scripts/simulate_subject.py"


rule import_scans:
    input:
        scan_files,
    output:
        status="results/work/sub-{subject}/status.json",
        scans=directory("results/work/sub-{subject}/imported"),
    log:
        "results/logs/import_scans/sub-{subject}.log",
    benchmark:
        "results/benchmarks/import_scans/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        found=lambda wildcards: FOUND[wildcards.subject],
        layout=config["dataset"]["layout"],
        options=config["import_scans"],
        code=digest("import_scans"),
    script:
        "../../scripts/import_scans.py"


checkpoint gather_cohort:
    input:
        expand("results/work/sub-{subject}/status.json", subject=FOUND),
    output:
        cohort=report("results/cohort.tsv", caption="../report/cohort.rst", category="Cohort"),
        description="results/derivatives/dataset_description.json",
    log:
        "results/logs/gather_cohort.log",
    benchmark:
        "results/benchmarks/gather_cohort/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=digest("gather_cohort"),
    script:
        "../../scripts/gather_cohort.py"
