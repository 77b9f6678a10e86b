# Targets of their own, for whoever wants a part: `snakemake preprocess`, ...


localrules:
    check,
    fetch_sources,
    preprocess,
    candidates,
    plan,
    train,
    evaluate,
    report,
    recommend,
    replay,
    verify_checklist,


rule check:
    """Within seconds: what was found in the dataset, what each file is taken for and why, what is not used, what a run would do."""
    input:
        rules.check_dataset.output.words,
    log:
        "results/logs/check.log",
    conda:
        "../../envs/environment.yaml"
    params:
        foreseen=lambda wildcards: RUN.foresee(),
    shell:
        "(cat {input}; echo '{params.foreseen}') | tee {log}"


rule fetch_sources:
    """Pretrained weights that need a network, for a run on machines without one."""
    input:
        RUN.choice.fetched,


rule preprocess:
    """Skull-stripping, registration and normalisation of every subject, with `cohort.tsv` and `quality.tsv`."""
    input:
        "results/quality.tsv",


rule candidates:
    """Preprocessing, then ranked tumour candidates of every subject."""
    input:
        candidate_list,


rule plan:
    """Before anything trains: how many networks, how long, and the smallest difference that so many patients can show."""
    input:
        rules.plan_experiment.output.words,
    log:
        "results/logs/plan.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input}"


rule train:
    """All networks of the experiment, and what they predict."""
    input:
        trained_cells,
        replayed_cells,


rule evaluate:
    """Scores and comparisons under `results/evaluation`, and the verdict card, without the report."""
    input:
        rules.compare_splits.output if RUN.replayed else [],
        rules.compare_strategies.output,
        rules.assess_transfer.output,
        [] if RUN.pictures else rules.judge_masks.output,
        [] if RUN.pictures else rules.certify_masks.output,
        [] if RUN.pictures else rules.score_lesions.output,
        rules.fill_verdict_card.output,
        audited,


rule report:
    """The report, with everything that it shows."""
    input:
        "results/report",


rule recommend:
    """Which pretrained source to try first, from its features alone, without training."""
    input:
        rules.recommend_sources.output.words,
    log:
        "results/logs/recommend.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input}"


rule replay:
    """A published study again: the same pictures and networks split by slice, as published, and by patient; with the report."""
    input:
        words=replayed,
        report="results/report",
    log:
        "results/logs/replay.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input.words}"
