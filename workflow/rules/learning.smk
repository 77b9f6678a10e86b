# Folds by patient, and one job for each cell of the experiment: it trains and predicts its test patients.


rule split_cohort:
    input:
        cohort="results/cohort.tsv",
        quality="results/quality.tsv",
    output:
        "results/splits.json",
    log:
        "results/logs/split_cohort.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        seed=config["seed"],
        target=config["experiment"]["classification"]["target"],
        options=config["split_cohort"],
        code=digest("split_cohort"),
    script:
        "../../scripts/split_cohort.py"


rule train_network:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        slices=per_subject("results/work/sub-{subject}/space-{space}/slices"),
        weights=lambda wildcards: WEIGHTS[wildcards.source],
    output:
        directory(
            "results/predictions/{task}/{source}/{strategy}/space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}"
        ),
    log:
        "results/logs/train_network/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/train_network/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=3500,
        runtime=60,
    params:
        source=lambda wildcards: SOURCES[wildcards.source],
        delivered=lambda wildcards: (wildcards.strategy, wildcards.space, wildcards.split)
        == (DELIVERED, SPACE, "folds"),
        options=config["train_network"],
        code=digest("train_network"),
    script:
        "../../scripts/train_network.py"
