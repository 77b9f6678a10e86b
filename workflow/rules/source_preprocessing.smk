# Other labelled cohorts as sources, on: preprocessing of those subjects that are learnt from, and what is learnt.


def start_of(wildcards):
    """The fields of the source that a cohort's starts from; nothing where it starts from random weights."""
    base = source_table.base_of(RUN.sources[wildcards.source])
    return made_source(base) if base else {}


use rule strip_skull as strip_cohort_skull with:
    input:
        status="results/cohorts/{cohort}/sub-{subject}/status.json",
        scans="results/cohorts/{cohort}/sub-{subject}/imported",
    output:
        mask="results/cohorts/{cohort}/derivatives/sub-{subject}/anat/sub-{subject}_desc-brain_mask.nii.gz",
        record="results/cohorts/{cohort}/sub-{subject}/strip_skull.json",
    log:
        "results/logs/strip_skull/cohort-{cohort}_sub-{subject}.log",
    benchmark:
        "results/benchmarks/strip_skull/cohort-{cohort}_sub-{subject}.tsv"
    params:
        options=lambda wildcards: cohort_run(wildcards).config["strip_skull"],


use rule register_scans as register_cohort_scans with:
    input:
        status="results/cohorts/{cohort}/sub-{subject}/status.json",
        scans="results/cohorts/{cohort}/sub-{subject}/imported",
        masks="results/cohorts/{cohort}/derivatives/sub-{subject}/anat/sub-{subject}_desc-brain_mask.nii.gz",
        template=lambda wildcards: cohort_run(wildcards).template or [],
    output:
        scans=directory("results/cohorts/{cohort}/sub-{subject}/space-{space}/registered"),
        record="results/cohorts/{cohort}/sub-{subject}/space-{space}/register_scans.json",
    log:
        "results/logs/register_scans/cohort-{cohort}_sub-{subject}_space-{space}.log",
    benchmark:
        "results/benchmarks/register_scans/cohort-{cohort}_sub-{subject}_space-{space}.tsv"
    threads: 1
    params:
        options=lambda wildcards: cohort_run(wildcards).config["register_scans"],


use rule normalize_intensity as normalize_cohort_intensity with:
    input:
        scans="results/cohorts/{cohort}/sub-{subject}/space-{space}/registered",
    output:
        mask="results/cohorts/{cohort}/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-brain_mask.nii.gz",
        slices=directory("results/cohorts/{cohort}/sub-{subject}/space-{space}/slices"),
        record="results/cohorts/{cohort}/sub-{subject}/space-{space}/normalize_intensity.json",
    log:
        "results/logs/normalize_intensity/cohort-{cohort}_sub-{subject}_space-{space}.log",
    benchmark:
        "results/benchmarks/normalize_intensity/cohort-{cohort}_sub-{subject}_space-{space}.tsv"
    params:
        options=lambda wildcards: prepared_options(wildcards, "normalize_intensity"),
        planes=[],


use rule gather_subjects as gather_cohort_subjects with:
    input:
        status=per_cohort_subject("results/cohorts/{cohort}/sub-{subject}/status.json"),
        stripped=per_cohort_subject("results/cohorts/{cohort}/sub-{subject}/strip_skull.json"),
        registered=per_cohort_subject("results/cohorts/{cohort}/sub-{subject}/space-{space}/register_scans.json"),
        normalized=per_cohort_subject("results/cohorts/{cohort}/sub-{subject}/space-{space}/normalize_intensity.json"),
    output:
        "results/cohorts/{cohort}/subjects.tsv",
    log:
        "results/logs/gather_subjects/cohort-{cohort}.log",
    benchmark:
        "results/benchmarks/gather_subjects/cohort-{cohort}.tsv"


use rule gather_quality as gather_cohort_quality with:
    input:
        "results/cohorts/{cohort}/subjects.tsv",
    output:
        quality="results/cohorts/{cohort}/quality.tsv",
        intensities="results/cohorts/{cohort}/intensities.tsv",
    log:
        "results/logs/gather_quality/cohort-{cohort}.log",
    benchmark:
        "results/benchmarks/gather_quality/cohort-{cohort}.tsv"


rule pretrain_cohort:
    input:
        splits="results/splits.json",
        cohort=lambda wildcards: f"results/cohorts/{learnt_cohort(wildcards)}/cohort.tsv",
        compared=lambda wildcards: f"results/cohorts/{learnt_cohort(wildcards)}/compared.json",
        quality=lambda wildcards: f"results/cohorts/{learnt_cohort(wildcards)}/quality.tsv",
        subjects=lambda wildcards: f"results/cohorts/{learnt_cohort(wildcards)}/subjects.tsv",
        weights=lambda wildcards: RUN.choice.weights.get(source_table.base_of(RUN.sources[wildcards.source]), []),
    output:
        weights="results/sources/{source}/weights",
        top="results/sources/{source}/top",
        manifest="results/sources/{source}/manifest.json",
        history="results/sources/{source}/history.tsv",
    log:
        "results/logs/pretrain_cohort/{source}.log",
    benchmark:
        "results/benchmarks/pretrain_cohort/{source}.tsv"
    wildcard_constraints:
        source=RUN.match_sources(lambda row: source_table.kind_of(row) == "cohort"),
    priority: 1
    conda:
        "../../envs/environment.yaml"
    threads: config["train_network"]["threads"]
    resources:
        mem_mb=grow(lambda wildcards: RUN.estimate_memory(wildcards.source)),
        runtime=grow(180),
    params:
        cohort=learnt_cohort,
        source=lambda wildcards: made_source(wildcards.source),
        start=start_of,
        strategy=lambda wildcards: config["cohorts"][learnt_cohort(wildcards)]["strategy"],
        options=lambda wildcards: RUN.list_cohort_options(learnt_cohort(wildcards)),
        code=digest("pretrain_cohort"),
    script:
        "../../scripts/pretrain_cohort.py"
