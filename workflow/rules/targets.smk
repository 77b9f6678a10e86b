# Targets of their own, for whoever wants a part: `snakemake preprocess`, ...


localrules:
    fetch_sources,
    preprocess,
    candidates,
    train,
    evaluate,
    report,


rule fetch_sources:
    input:
        FETCHED,


rule preprocess:
    input:
        "results/quality.tsv",


rule candidates:
    input:
        candidate_records,


rule train:
    input:
        trained_cells,


rule evaluate:
    input:
        rules.compare_strategies.output,


rule report:
    input:
        "results/report",
