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


# What a mask shows of its own quality, without its label: one job for all, since a mask takes a tenth of a second.
rule measure_masks:
    input:
        cells=delivered_cells,
        peers=peer_cells,
        splits="results/splits.json",
        subjects=subjects,
    output:
        measured="results/work/measure_masks.tsv",
        counted="results/work/measure_masks_chances.tsv",
    log:
        "results/logs/measure_masks.log",
    benchmark:
        "results/benchmarks/measure_masks/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(60),
    params:
        code=digest("measure_masks"),
    script:
        "../../scripts/measure_masks.py"


rule judge_masks:
    input:
        measured=rules.measure_masks.output.measured,
        counted=rules.measure_masks.output.counted,
        scores="results/evaluation/scores.tsv",
        splits="results/splits.json",
    output:
        judged="results/evaluation/mask_quality.tsv",
        summary="results/evaluation/mask_quality_summary.tsv",
        unlabelled="results/derivatives/desc-quality_dseg.tsv",
        labels="results/evaluation/label_doubt.tsv",
        calibration="results/evaluation/mask_calibration.tsv",
        missed="results/evaluation/missed_tumour.tsv",
    log:
        "results/logs/judge_masks.log",
    benchmark:
        "results/benchmarks/judge_masks/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        options={name: config["judge_masks"][name] for name in ("level", "accept")},
        code=digest("judge_masks"),
    script:
        "../../scripts/judge_masks.py"


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


rule certify_masks:
    input:
        cohort="results/cohort.tsv",
        splits="results/splits.json",
        measured=rules.measure_masks.output.measured,
        records=per_subject("results/work/sub-{subject}/space-{space}/deliver_segmentation.json"),
    output:
        heads="results/evaluation/false_alarms_heads.tsv",
        summary="results/evaluation/false_alarms.tsv",
    log:
        "results/logs/certify_masks.log",
    benchmark:
        "results/benchmarks/certify_masks/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(5),
    params:
        subjects=lambda wildcards: [row["participant_id"] for row in included()],
        healthy=config["judge_masks"]["healthy"],
        simulated=config["dataset"]["layout"] == "phantom",
        code=digest("certify_masks"),
    script:
        "../../scripts/certify_masks.py"


rule score_lesions:
    input:
        cells=delivered_cells,
        splits="results/splits.json",
        subjects=subjects,
    output:
        scores="results/evaluation/lesions.tsv",
        summary="results/evaluation/lesions_summary.tsv",
    log:
        "results/logs/score_lesions.log",
    benchmark:
        "results/benchmarks/score_lesions/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2500),
        runtime=grow(60),
    params:
        code=digest("score_lesions"),
    script:
        "../../scripts/score_lesions.py"
