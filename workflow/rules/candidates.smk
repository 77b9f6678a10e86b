# Where a tumour might be, before any training: ranked supervoxels.


rule propose_candidates:
    input:
        mask=rules.normalize_intensity.output.mask,
        scans=rules.register_scans.output.scans,
    output:
        candidates="results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-candidates_dseg.nii.gz",
        table="results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-candidates_dseg.tsv",
        record="results/work/sub-{subject}/space-{space}/propose_candidates.json",
        supervoxels=directory("results/work/sub-{subject}/space-{space}/supervoxels"),
    log:
        "results/logs/propose_candidates/sub-{subject}_space-{space}.log",
    benchmark:
        "results/benchmarks/propose_candidates/sub-{subject}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2500),
        runtime=grow(10),
    params:
        options=config["propose_candidates"],
        code=digest("propose_candidates"),
    script:
        "../../scripts/propose_candidates.py"


# One input for each later job, as `gather_subjects`; a list of its own, so that other candidates train no network again.
rule gather_candidates:
    input:
        per_subject("results/work/sub-{subject}/space-{space}/propose_candidates.json"),
    output:
        "results/work/space-{space}/candidates.tsv",
    log:
        "results/logs/gather_candidates/{space}.log",
    benchmark:
        "results/benchmarks/gather_candidates/{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        code=digest("gather_candidates"),
    script:
        "../../scripts/gather_candidates.py"


rule pool_features:
    input:
        splits="results/splits.json",
        subjects=subjects,
        candidates=rules.gather_candidates.output[0],
        weights=lambda wildcards: WEIGHTS[wildcards.source],
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
        source=lambda wildcards: {name: SOURCES[wildcards.source][name] for name in ("backbone", "sha256")},
        random=lambda wildcards: settings.METHODS[wildcards.strategy] == "random encoder",
        seed=config["seed"],
        code=digest("pool_features"),
    script:
        "../../scripts/pool_features.py"


rule classify_supervoxels:
    input:
        splits="results/splits.json",
        subjects=subjects,
        candidates=rules.gather_candidates.output[0],
        pooled=lambda wildcards: (
            []
            if settings.METHODS[wildcards.strategy] == "none"
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
        strategy="|".join(settings.METHODS),
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2500),
        runtime=grow(60),
    params:
        harmonise=config["classify_supervoxels"]["harmonise"],
        delivered=is_delivered,
        code=digest("classify_supervoxels"),
    script:
        "../../scripts/classify_supervoxels.py"
