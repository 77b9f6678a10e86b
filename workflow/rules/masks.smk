# How far delivered masks can be believed.


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
        runtime=grow(30),
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
        runtime=grow(30),
    params:
        code=digest("score_lesions"),
    script:
        "../../scripts/score_lesions.py"


# It fits some hundred classifiers of supervoxels, and so is a job of its own.
rule order_labels:
    input:
        measured=rules.measure_masks.output.measured,
        cohort="results/cohort.tsv",
        splits="results/splits.json",
        subjects=subjects,
        candidates=candidate_list,
    output:
        order="results/derivatives/desc-labelorder_dseg.tsv",
        replay="results/evaluation/label_order_replay.tsv",
        summary="results/evaluation/label_order.tsv",
    log:
        "results/logs/order_labels.log",
    benchmark:
        "results/benchmarks/order_labels/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2500),
        runtime=grow(60),
    params:
        seed=config["seed"],
        code=digest("order_labels"),
    script:
        "../../scripts/order_labels.py"
