# Folds by patient, weights from elsewhere, and one job for each cell of the experiment: it trains and predicts its test patients.


rule split_cohort:
    input:
        cohort="results/cohort.tsv",
        quality="results/quality.tsv",
    output:
        "results/splits.json",
    log:
        "results/logs/split_cohort.log",
    benchmark:
        "results/benchmarks/split_cohort/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        seed=config["seed"],
        target=config["experiment"]["classification"]["target"],
        options=config["split_cohort"],
        code=digest("split_cohort"),
    script:
        "../../scripts/split_cohort.py"


# On a cluster the machine that starts the run fetches: it has a network where the nodes often have none.
localrules:
    fetch_source,


rule fetch_source:
    input:
        table=ancient(f"{workflow.basedir}/config/sources.tsv"),
    output:
        "results/sources/{source}/weights",
    log:
        "results/logs/fetch_source/{source}.log",
    benchmark:
        "results/benchmarks/fetch_source/{source}.tsv"
    wildcard_constraints:
        source=any_of(sources.is_remote),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(300),
        runtime=grow(120),
    params:
        # the hash says all about the file: no digest of the code, that would fetch the same bytes again
        sha256=lambda wildcards: SOURCES[wildcards.source]["sha256"],
    script:
        "../../scripts/fetch_source.py"


rule pretrain_simulated:
    input:
        splits="results/splits.json",
    output:
        weights="results/sources/{source}/weights",
        manifest="results/sources/{source}/manifest.json",
        history="results/sources/{source}/history.tsv",
    log:
        "results/logs/pretrain_simulated/{source}.log",
    benchmark:
        "results/benchmarks/pretrain_simulated/{source}.tsv"
    wildcard_constraints:
        source=any_of(lambda row: making.kind_of(row) == "simulated"),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(3500),
        runtime=grow(90),
    params:
        source=lambda wildcards: made_source(wildcards.source),
        aligned=bool(TEMPLATE),
        spacing=config["register_scans"]["spacing"],
        method=config["normalize_intensity"]["method"],
        options=PRETRAINED,
        code=digest("pretrain_simulated"),
    script:
        "../../scripts/pretrain_simulated.py"


rule pretrain_masked:
    input:
        splits="results/splits.json",
        subjects=subjects,
        weights=lambda wildcards: WEIGHTS[making.base_of(SOURCES[wildcards.source])],
    output:
        weights="results/sources/{source}/weights",
        manifest="results/sources/{source}/manifest.json",
        history="results/sources/{source}/history.tsv",
    log:
        "results/logs/pretrain_masked/{source}.log",
    benchmark:
        "results/benchmarks/pretrain_masked/{source}.tsv"
    wildcard_constraints:
        source=any_of(lambda row: making.kind_of(row) == "masked"),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(3500),
        runtime=grow(90),
    params:
        source=lambda wildcards: made_source(wildcards.source),
        base=lambda wildcards: made_source(making.base_of(SOURCES[wildcards.source])),
        options={name: value for name, value in PRETRAINED.items() if name != "subjects"},
        code=digest("pretrain_masked"),
    script:
        "../../scripts/pretrain_masked.py"


rule plan_experiment:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        subjects=subjects,
    output:
        plan="results/plan.json",
        words=report("results/plan.txt", caption="../report/plan.rst", category="Experiment"),
    log:
        "results/logs/plan_experiment.log",
    benchmark:
        "results/benchmarks/plan_experiment/all.tsv"
    # before the trainings, which do not depend on it: another estimate trains nothing again
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(3500),
        runtime=grow(20),
    params:
        counts=count_cells,
        backbones={name: row["backbone"] for name, row in NAMED.items()},
        compared=compared_arms,
        options=TRAINING,
        code=digest("plan_experiment"),
    script:
        "../../scripts/plan_experiment.py"


rule train_network:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        subjects=subjects,
        weights=lambda wildcards: WEIGHTS[wildcards.source],
        candidates=sampled_candidates,
        making=lambda wildcards: (
            f"results/sources/{wildcards.source}/{making.MANIFEST}"
            if making.is_made(SOURCES[wildcards.source])
            else []
        ),
    output:
        directory(
            "results/predictions/{task}/{source}/{strategy}/space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}"
        ),
    log:
        "results/logs/train_network/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/train_network/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    wildcard_constraints:
        # these have a rule of their own
        strategy=f"(?!({'|'.join(settings.UNTRAINED)})/)[0-9a-z-]+",
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(3500),
        runtime=grow(60),
    params:
        # what training goes by: another licence or citation trains nothing again
        source=lambda wildcards: {name: SOURCES[wildcards.source][name] for name in ("backbone", "sha256")},
        delivered=is_delivered,
        # of the variants its own row alone: another one trains nothing again
        options=lambda wildcards: TRAINING
        | {"variants": {name: row for name, row in config["variants"].items() if name == wildcards.strategy}},
        # no output: Snakemake would delete it when the job is killed, which is when it is needed
        checkpoint="results/work/checkpoints/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}",
        code=digest("train_network"),
    script:
        "../../scripts/train_network.py"


rule average_predictions:
    input:
        cells=member_cells,
    output:
        directory(
            f"results/predictions/segmentation/{{source}}/{settings.ENSEMBLE}/space-{{space}}_split-{{split}}_n-{{n}}_fold-{{fold}}_seed-{{seed}}"
        ),
    log:
        "results/logs/average_predictions/{source}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/average_predictions/{source}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        strategy=settings.ENSEMBLE,
        code=digest("average_predictions"),
    script:
        "../../scripts/average_predictions.py"
