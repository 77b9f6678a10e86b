# What other programs get and give: the cohort with its folds (only when asked for: `snakemake export_folds`), and masks that
# were made with them, judged like a strategy.

from neurograft.exchange import prediction_files


localrules:
    export_folds,


rule import_predictions:
    input:
        splits="results/splits.json",
        subjects=subjects,
        masks=lambda wildcards: prediction_files.list_inputs(RUN.external[wildcards.strategy]["predictions"]),
    output:
        directory(
            "results/predictions/segmentation/{source}/{strategy}/space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}"
        ),
    log:
        "results/logs/import_predictions/segmentation_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.log",
    benchmark:
        "results/benchmarks/import_predictions/segmentation_{source}_{strategy}_space-{space}_split-{split}_n-{n}_fold-{fold}_seed-{seed}.tsv"
    wildcard_constraints:
        source=strategies.EXTERNAL,
    # before the trainings, so that a missing mask is reported immediately, not after hours
    priority: 2
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(20),
    params:
        given=lambda wildcards: RUN.external[wildcards.strategy],
        code=digest("import_predictions"),
    script:
        "../../scripts/import_predictions.py"


rule export_scans:
    input:
        status="results/work/sub-{subject}/status.json",
        scans="results/work/sub-{subject}/imported",
        masks="results/derivatives/sub-{subject}/anat/sub-{subject}_desc-brain_mask.nii.gz",
        registration=f"results/work/sub-{{subject}}/space-{DESIGN.space}/register_scans.json",
    output:
        directory("results/work/sub-{subject}/exported"),
    log:
        "results/logs/export_scans/sub-{subject}.log",
    benchmark:
        "results/benchmarks/export_scans/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        code=digest("export_scans"),
    script:
        "../../scripts/export_scans.py"


rule gather_exported:
    input:
        splits="results/splits.json",
        scans=lambda wildcards: expand(rules.export_scans.output[0], subject=labelled_subjects()),
    output:
        directory("results/export"),
    log:
        "results/logs/gather_exported.log",
    benchmark:
        "results/benchmarks/gather_exported/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(30),
    params:
        subjects=lambda wildcards: labelled_subjects(),
        options=config["export_folds"],
        code=digest("gather_exported"),
    script:
        "../../scripts/gather_exported.py"


rule export_folds:
    """The scans, labels and folds as nnU-Net, MONAI or any other program reads them, to train with the same folds."""
    input:
        rules.gather_exported.output,
