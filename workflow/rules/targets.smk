# Targets of their own, for whoever wants a part: `snakemake preprocess`, ...


localrules:
    fetch_sources,
    preprocess,
    candidates,
    plan,
    train,
    evaluate,
    report,
    recommend,


rule fetch_sources:
    input:
        RUN.choice.fetched,


rule preprocess:
    input:
        "results/quality.tsv",


rule candidates:
    input:
        candidate_list,


rule plan:
    input:
        rules.plan_experiment.output.words,
    log:
        "results/logs/plan.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input}"


rule train:
    input:
        trained_cells,


rule evaluate:
    input:
        rules.compare_strategies.output,
        rules.assess_transfer.output,
        audited,


rule report:
    input:
        "results/report",


rule recommend:
    input:
        rules.recommend_sources.output.words,
    log:
        "results/logs/recommend.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input}"
