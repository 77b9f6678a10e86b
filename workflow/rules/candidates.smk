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
