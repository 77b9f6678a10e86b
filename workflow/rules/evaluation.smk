# Scores on the native grid, comparisons over patients, and the delivered segmentation.


rule score_predictions:
    input:
        cell=rules.train_network.output[0],
        splits="results/splits.json",
        subjects=subjects,
    output:
        "results/work/scores/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv",
    log:
        "results/logs/score_predictions/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/score_predictions/{task}_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        code=digest("score_predictions"),
    script:
        "../../scripts/score_predictions.py"


rule compare_strategies:
    input:
        splits="results/splits.json",
        cells=trained_cells,
        scores=scored_cells,
    output:
        scores=report("results/evaluation/scores.tsv", caption="../report/scores.rst", category="Experiment"),
        comparison=report(
            "results/evaluation/comparison.tsv", caption="../report/comparison.rst", category="Experiment"
        ),
        again="results/evaluation/aa.tsv",
        times="results/evaluation/times.tsv",
    log:
        "results/logs/compare_strategies.log",
    benchmark:
        "results/benchmarks/compare_strategies/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        primary=primary_arms(),
        kin=KIN,
        code=digest("compare_strategies"),
    script:
        "../../scripts/compare_strategies.py"


rule assess_transfer:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        cells=trained_cells,
        scores=rules.compare_strategies.output.scores,
    output:
        labels_saved="results/evaluation/labels_saved.tsv",
        time_saved="results/evaluation/time_saved.tsv",
        overfitting="results/evaluation/overfitting.tsv",
        generalisation="results/evaluation/generalisation.tsv",
        layers="results/evaluation/layers.tsv",
        features="results/evaluation/features.tsv",
        privacy="results/evaluation/privacy.tsv",
        fairness="results/evaluation/fairness.tsv",
    log:
        "results/logs/assess_transfer.log",
    benchmark:
        "results/benchmarks/assess_transfer/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        kin=KIN,
        code=digest("assess_transfer"),
    script:
        "../../scripts/assess_transfer.py"


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


# The pictures too: in a job of their own they would read the same files again, and a thousand jobs more take two seconds to
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
        candidates="results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-candidates_dseg.nii.gz",
        template=TEMPLATE,
    output:
        record="results/work/sub-{subject}/space-{space}/deliver_segmentation.json",
        figures=directory("results/figures/sub-{subject}/space-{space}"),
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
        code=digest("deliver_segmentation"),
    script:
        "../../scripts/deliver_segmentation.py"
