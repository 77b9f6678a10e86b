# Copies of the scans that may be given away; made only when asked for: `snakemake share`.


localrules:
    share,


rule share_scans:
    input:
        status="results/work/sub-{subject}/status.json",
        masks=rules.strip_skull.output.mask,
        scans=scan_files,
    output:
        folder=directory("results/work/sub-{subject}/shared"),
        picture="results/share_look/sub-{subject}.png",
    log:
        "results/logs/share_scans/sub-{subject}.log",
    benchmark:
        "results/benchmarks/share_scans/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(10),
    params:
        options=config["share_scans"],
        code=digest("share_scans"),
    script:
        "../../scripts/share_scans.py"


rule gather_shared:
    input:
        per_subject(rules.share_scans.output.folder),
    output:
        directory("results/share"),
    log:
        "results/logs/gather_shared.log",
    benchmark:
        "results/benchmarks/gather_shared/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(30),
    params:
        subjects=lambda wildcards: [row["participant_id"] for row in included()],
        # no output: whoever has a number keeps it
        key="results/share_key.tsv",
        seed=config["seed"],
        code=digest("gather_shared"),
    script:
        "../../scripts/gather_shared.py"


rule share:
    """Copies of the scans without face and without names, to give away."""
    input:
        rules.gather_shared.output,
