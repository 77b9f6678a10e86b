# Frozen features of every source, the transferability scores made of them, a ranking, and what the scores were worth.


rule extract_features:
    input:
        splits="results/splits.json",
        subjects=subjects,
        weights=lambda wildcards: RUN.choice.weights[wildcards.source],
    output:
        temp(directory("results/work/features/{source}/space-{space}")),
    log:
        "results/logs/extract_features/{source}_space-{space}.log",
    benchmark:
        "results/benchmarks/extract_features/{source}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(30),
    params:
        source=lambda wildcards: RUN.describe_source(wildcards.source, "backbone", "sha256"),
        seed=config["seed"],
        code=digest("extract_features"),
    script:
        "../../scripts/extract_features.py"


rule score_features:
    input:
        rules.extract_features.output[0],
    output:
        "results/work/transfer_scores/{source}_space-{space}.tsv",
    log:
        "results/logs/score_features/{source}_space-{space}.log",
    benchmark:
        "results/benchmarks/score_features/{source}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(30),
    params:
        seed=config["seed"],
        code=digest("score_features"),
    script:
        "../../scripts/score_features.py"


rule score_sources:
    input:
        lambda wildcards: source_scores(RUN.choice.scored, DESIGN.scored_spaces),
    output:
        "results/evaluation/transfer_scores.tsv",
    log:
        "results/logs/score_sources.log",
    benchmark:
        "results/benchmarks/score_sources/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        volumes=[name for name, row in RUN.choice.scored.items() if row["dimensions"] == "3"],
        spaces=DESIGN.scored_spaces,
        code=digest("score_sources"),
    script:
        "../../scripts/score_sources.py"


rule recommend_sources:
    input:
        scores=lambda wildcards: source_scores(RUN.choice.ranked, [DESIGN.primary["space"]]),
        seen=rules.guard_leaks.output.sources,
    output:
        ranking="results/recommendation.tsv",
        words="results/recommendation.txt",
    log:
        "results/logs/recommend_sources.log",
    benchmark:
        "results/benchmarks/recommend_sources/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        volumes=[name for name, row in RUN.choice.ranked.items() if row["dimensions"] == "3"],
        spaces=[DESIGN.primary["space"]],
        # not an input, because an outdated audit must not cause all networks to be trained again
        audit="results/evaluation/audit.tsv",
        audited=when_audited,
        allowed=config["allow_contaminated"],
        code=digest("recommend_sources"),
    script:
        "../../scripts/recommend_sources.py"


rule audit_scores:
    input:
        scored=rules.score_sources.output[0],
        comparison=rules.compare_strategies.output.comparison,
    output:
        "results/evaluation/audit.tsv",
    log:
        "results/logs/audit_scores.log",
    benchmark:
        "results/benchmarks/audit_scores/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        primary=DESIGN.primary,
        code=digest("audit_scores"),
    script:
        "../../scripts/audit_scores.py"
