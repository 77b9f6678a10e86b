# Pretrained weights: fetched from their address, or made during the run.


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
        source=RUN.match_sources(source_table.is_remote),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(300),
        runtime=grow(120),
    params:
        # the hash says all about the file: no digest of the code, that would fetch the same bytes again
        sha256=lambda wildcards: RUN.sources[wildcards.source]["sha256"],
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
        source=RUN.match_sources(lambda row: source_table.kind_of(row) == "simulated"),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(3500),
        runtime=grow(90),
    params:
        source=lambda wildcards: made_source(wildcards.source),
        aligned=RUN.template is not None,
        spacing=config["register_scans"]["spacing"],
        method=config["normalize_intensity"]["method"],
        options=RUN.list_pretraining_options(),
        code=digest("pretrain_simulated"),
    script:
        "../../scripts/pretrain_simulated.py"


rule pretrain_masked:
    input:
        splits="results/splits.json",
        subjects=subjects,
        weights=lambda wildcards: RUN.choice.weights[source_table.base_of(RUN.sources[wildcards.source])],
    output:
        weights="results/sources/{source}/weights",
        manifest="results/sources/{source}/manifest.json",
        history="results/sources/{source}/history.tsv",
    log:
        "results/logs/pretrain_masked/{source}.log",
    benchmark:
        "results/benchmarks/pretrain_masked/{source}.tsv"
    wildcard_constraints:
        source=RUN.match_sources(lambda row: source_table.kind_of(row) == "masked"),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(3500),
        runtime=grow(90),
    params:
        source=lambda wildcards: made_source(wildcards.source),
        base=lambda wildcards: made_source(source_table.base_of(RUN.sources[wildcards.source])),
        options={name: value for name, value in RUN.list_pretraining_options().items() if name != "subjects"},
        code=digest("pretrain_masked"),
    script:
        "../../scripts/pretrain_masked.py"


rule shuffle_source:
    input:
        weights=lambda wildcards: RUN.choice.weights[source_table.base_of(RUN.sources[wildcards.source])],
    output:
        weights="results/sources/{source}/weights",
        manifest="results/sources/{source}/manifest.json",
        history="results/sources/{source}/history.tsv",
    log:
        "results/logs/shuffle_source/{source}.log",
    benchmark:
        "results/benchmarks/shuffle_source/{source}.tsv"
    wildcard_constraints:
        source=RUN.match_sources(lambda row: source_table.kind_of(row) == "shuffled"),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        source=lambda wildcards: made_source(wildcards.source),
        base=lambda wildcards: made_source(source_table.base_of(RUN.sources[wildcards.source])),
        seed=config["seed"],
        code=digest("shuffle_source"),
    script:
        "../../scripts/shuffle_source.py"


# Only where a source hands on a head: does it segment these patients as if it had been trained on them?
rule probe_sources:
    input:
        splits="results/splits.json",
        subjects=subjects,
        weights=[RUN.choice.weights[name] for name in RUN.headed],
        making=[
            f"results/sources/{name}/{file}"
            for name, row in RUN.headed.items()
            for file in source_table.list_beside(row)
        ],
        cells=control_cells,
        seen=rules.guard_leaks.output.sources,
    output:
        "results/evaluation/membership.tsv",
    log:
        "results/logs/probe_sources.log",
    benchmark:
        "results/benchmarks/probe_sources/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(RUN.estimate_memory(*RUN.headed)),
        runtime=grow(60),
    params:
        sources={name: RUN.describe_source(name, "backbone", "sha256") for name in RUN.headed},
        options=RUN.list_training_options(),
        code=digest("probe_sources"),
    script:
        "../../scripts/probe_sources.py"
