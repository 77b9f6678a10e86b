# The cards of several cohorts joined: `snakemake pool --config cards=DIR`, which needs no dataset.


localrules:
    pool,


rule pool_verdicts:
    input:
        cards=cards,
        schema=f"{workflow.basedir}/workflow/schemas/verdict_card.schema.yaml",
        templates=[
            f"{workflow.basedir}/scripts/neurograft/report/templates/{name}.html.j2"
            for name in ("base", "macros", "pooled")
        ],
    output:
        table="results/pooled.tsv",
        page="results/pooled.html",
        words="results/pooled.txt",
    log:
        "results/logs/pool_verdicts.log",
    benchmark:
        "results/benchmarks/pool_verdicts/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        folder=str(config.get("cards", "")),
        code=digest("pool_verdicts"),
    script:
        "../../scripts/pool_verdicts.py"


rule pool:
    """The verdict cards of several cohorts, joined: `snakemake pool --config cards=DIR`. It needs no dataset."""
    input:
        rules.pool_verdicts.output.words,
    log:
        "results/logs/pool.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input}"
