# What leaves the run: the delivered segmentation, and copies of the scans that may be given away (only when asked for:
# `snakemake share`).


localrules:
    share,


# One input for each subject's job instead of one a fold.
rule gather_delivered:
    input:
        delivered_cells,
    output:
        "results/work/delivered.tsv",
    log:
        "results/logs/gather_delivered.log",
    benchmark:
        "results/benchmarks/gather_delivered/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        code=digest("gather_delivered"),
    script:
        "../../scripts/gather_delivered.py"


# It also draws the pictures: a separate job would read the same files again, and a thousand more jobs take two seconds to
# plan.
rule deliver_segmentation:
    input:
        cells=rules.gather_delivered.output[0],
        splits="results/splits.json",
        status="results/work/sub-{subject}/status.json",
        scans="results/work/sub-{subject}/imported",
        mask="results/derivatives/sub-{subject}/anat/sub-{subject}_desc-brain_mask.nii.gz",
        registration="results/work/sub-{subject}/space-{space}/register_scans.json",
        registered="results/work/sub-{subject}/space-{space}/registered",
        candidates=of_candidates(
            "results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-candidates_dseg.nii.gz"
        ),
        template=RUN.template or [],
    output:
        record="results/work/sub-{subject}/space-{space}/deliver_segmentation.json",
        figures=directory("results/figures/sub-{subject}/space-{space}"),
        volumes="results/work/sub-{subject}/space-{space}/viewer_volumes.js",
    log:
        "results/logs/deliver_segmentation/sub-{subject}_space-{space}.log",
    benchmark:
        "results/benchmarks/deliver_segmentation/sub-{subject}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(5),
    params:
        options=config["register_scans"],
        viewer=config["report"]["viewer"],
        code=digest("deliver_segmentation"),
    script:
        "../../scripts/deliver_segmentation.py"


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
        # not an output, so that subjects keep their numbers
        key="results/share_key.tsv",
        seed=config["seed"],
        code=digest("gather_shared"),
    script:
        "../../scripts/gather_shared.py"


rule share:
    """Copies of the scans without face and without names, to give away."""
    input:
        rules.gather_shared.output,
