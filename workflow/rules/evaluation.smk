# Scores on the native grid, and comparisons over patients.


rule score_predictions:
    input:
        cell=rules.train_network.output[0],
        splits="results/splits.json",
        subjects=subjects,
    output:
        "results/work/scores/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv",
    log:
        "results/logs/score_predictions/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/score_predictions/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        code=digest("score_predictions"),
    script:
        "../../scripts/score_predictions.py"


JUDGING = {"margins": config["margin"], "refusal": judging.refuse_pictures(RUN.subjects) if RUN.pictures else ""}


rule compare_strategies:
    input:
        splits="results/splits.json",
        cells=trained_cells,
        scores=scored_cells,
        seen=rules.guard_leaks.output.sources,
    output:
        scores=report("results/evaluation/scores.tsv", caption="../report/scores.rst", category="Experiment"),
        comparison=report(
            "results/evaluation/comparison.tsv", caption="../report/comparison.rst", category="Experiment"
        ),
        again="results/evaluation/aa.tsv",
        times="results/evaluation/times.tsv",
    log:
        "results/logs/compare_strategies.log",
    benchmark:
        "results/benchmarks/compare_strategies/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        primary=DESIGN.primary,
        kin=RUN.kin,
        judging=JUDGING,
        allowed=config["allow_contaminated"],
        code=digest("compare_strategies"),
    script:
        "../../scripts/compare_strategies.py"


# What a published split was worth: control splits beside the split by patient. No verdict reads it.
rule compare_splits:
    input:
        splits="results/splits.json",
        cells=replayed_cells,
        scores=rules.compare_strategies.output.scores,
        comparison=rules.compare_strategies.output.comparison,
        candidates=lambda wildcards: candidate_list(wildcards) if labelled_subjects() else [],
    output:
        table="results/evaluation/replay.tsv",
        dice="results/evaluation/replay_dice.tsv",
        words="results/replay.txt",
    log:
        "results/logs/compare_splits.log",
    benchmark:
        "results/benchmarks/compare_splits/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        study=config["replay"]["study"],
        code=digest("compare_splits"),
    script:
        "../../scripts/compare_splits.py"


rule recommend_strategy:
    input:
        splits="results/splits.json",
        scores=rules.compare_strategies.output.scores,
        comparison=rules.compare_strategies.output.comparison,
        times=rules.compare_strategies.output.times,
        seen=rules.guard_leaks.output.sources,
    output:
        "results/recommendation.json",
    log:
        "results/logs/recommend_strategy.log",
    benchmark:
        "results/benchmarks/recommend_strategy/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        licences={name: row["licence"] for name, row in RUN.choice.named.items()},
        allowed=config["allow_contaminated"],
        kin=RUN.kin,
        code=digest("recommend_strategy"),
    script:
        "../../scripts/recommend_strategy.py"


rule fill_verdict_card:
    input:
        splits="results/splits.json",
        comparison=rules.compare_strategies.output.comparison,
        times=rules.compare_strategies.output.times,
    output:
        "results/verdict_card.json",
    log:
        "results/logs/fill_verdict_card.log",
    benchmark:
        "results/benchmarks/fill_verdict_card/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        settings=verdict_card.take_settings(config),
        code=digest("fill_verdict_card"),
    script:
        "../../scripts/fill_verdict_card.py"


rule assess_transfer:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        cells=trained_cells,
        scores=rules.compare_strategies.output.scores,
        cut=scored_cells,
        masks=[] if RUN.pictures else "results/work/measure_masks.tsv",
    output:
        gain_by_budget="results/evaluation/gain_by_budget.tsv",
        labels_saved="results/evaluation/labels_saved.tsv",
        time_saved="results/evaluation/time_saved.tsv",
        overfitting="results/evaluation/overfitting.tsv",
        generalisation="results/evaluation/generalisation.tsv",
        layers="results/evaluation/layers.tsv",
        features="results/evaluation/features.tsv",
        privacy="results/evaluation/privacy.tsv",
        fairness="results/evaluation/fairness.tsv",
    log:
        "results/logs/assess_transfer.log",
    benchmark:
        "results/benchmarks/assess_transfer/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        primary=DESIGN.primary,
        kin=RUN.kin,
        judging=JUDGING,
        code=digest("assess_transfer"),
    script:
        "../../scripts/assess_transfer.py"
