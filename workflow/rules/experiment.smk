# Folds by patient, and one job for each cell of the experiment: it learns and predicts its test patients.


rule split_cohort:
    input:
        cohort="results/cohort.tsv",
        quality="results/quality.tsv",
        # no folds where the guard has stopped; what it found otherwise changes no fold
        guard=ancient("results/leaks.json"),
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
        options=RUN.list_split_options(),
        code=digest("split_cohort"),
    script:
        "../../scripts/split_cohort.py"


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
        mem_mb=grow(RUN.estimate_memory(*RUN.choice.named)),
        runtime=grow(20),
    params:
        counts=lambda wildcards: DESIGN.count_trainings(included()),
        backbones={name: row["backbone"] for name, row in RUN.choice.named.items()},
        judged=judging.plan_family(DESIGN, config["margin"]),
        options=RUN.list_training_options(),
        code=digest("plan_experiment"),
    script:
        "../../scripts/plan_experiment.py"


rule train_network:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        subjects=subjects,
        weights=lambda wildcards: RUN.choice.weights[wildcards.source],
        candidates=sampled_candidates,
        making=lambda wildcards: expand(
            "results/sources/{source}/{file}",
            source=wildcards.source,
            file=source_table.list_beside(RUN.sources[wildcards.source]),
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
        # these have rules of their own
        source=f"(?!{strategies.EXTERNAL}/)[0-9A-Za-z.-]+",
        strategy=f"(?!({'|'.join(strategies.UNTRAINED)})/)[0-9a-z-]+",
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(lambda wildcards: RUN.estimate_memory(wildcards.source)),
        runtime=grow(60),
    params:
        # what training goes by: another licence or citation trains nothing again
        source=lambda wildcards: RUN.describe_source(wildcards.source, "backbone", "sha256"),
        delivered=lambda wildcards: DESIGN.is_delivered(wildcards),
        unlabelled=lambda wildcards: peers.predicts_unlabelled(DESIGN, wildcards, config["judge_masks"]["peers"]),
        # of the variants its own row alone: another one trains nothing again
        options=lambda wildcards: RUN.list_training_options(wildcards.strategy),
        # no output: Snakemake would delete it when the job is killed, which is when it is needed
        checkpoint="results/work/checkpoints/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}",
        code=digest("train_network"),
    script:
        "../../scripts/train_network.py"


rule pool_features:
    input:
        splits="results/splits.json",
        subjects=subjects,
        candidates="results/work/space-{space}/candidates.tsv",
        weights=lambda wildcards: RUN.choice.weights[wildcards.source],
    output:
        temp(directory("results/work/pooled/{source}/{strategy}/space-{space}")),
    log:
        "results/logs/pool_features/{source}_{strategy}_space-{space}.log",
    benchmark:
        "results/benchmarks/pool_features/{source}_{strategy}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2500),
        runtime=grow(60),
    params:
        source=lambda wildcards: RUN.describe_source(wildcards.source, "backbone", "sha256"),
        random=lambda wildcards: strategies.METHODS[wildcards.strategy] == "random encoder",
        seed=config["seed"],
        code=digest("pool_features"),
    script:
        "../../scripts/pool_features.py"


rule classify_supervoxels:
    input:
        splits="results/splits.json",
        subjects=subjects,
        candidates="results/work/space-{space}/candidates.tsv",
        pooled=lambda wildcards: (
            []
            if strategies.METHODS[wildcards.strategy] == "none"
            else expand(rules.pool_features.output[0], **wildcards)
        ),
        cohort="results/cohort.tsv",
    output:
        directory(
            "results/predictions/segmentation/{source}/{strategy}/space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}"
        ),
    log:
        "results/logs/classify_supervoxels/segmentation_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/classify_supervoxels/segmentation_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    wildcard_constraints:
        strategy="|".join(strategies.METHODS),
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2500),
        runtime=grow(60),
    params:
        features=lambda wildcards: strategies.METHODS[wildcards.strategy],
        harmonise=config["classify_supervoxels"]["harmonise"],
        unlabelled=lambda wildcards: peers.predicts_unlabelled(DESIGN, wildcards, config["judge_masks"]["peers"]),
        code=digest("classify_supervoxels"),
    script:
        "../../scripts/classify_supervoxels.py"


rule average_predictions:
    input:
        cells=member_cells,
    output:
        directory(
            f"results/predictions/segmentation/{{source}}/{strategies.ENSEMBLE}/space-{{space}}_split-{{split}}_n-{{n}}_fold-{{fold}}_seed-{{seed}}"
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
        strategy=strategies.ENSEMBLE,
        code=digest("average_predictions"),
    script:
        "../../scripts/average_predictions.py"
