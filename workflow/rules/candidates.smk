# Where a tumour might be, before any training: ranked supervoxels.


rule propose_candidates:
    input:
        mask=rules.normalize_intensity.output.mask,
        record=rules.normalize_intensity.output.record,
        scans=rules.register_scans.output.scans,
    output:
        candidates="results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-candidates_dseg.nii.gz",
        table="results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-candidates_dseg.tsv",
        record="results/work/sub-{subject}/space-{space}/propose_candidates.json",
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
