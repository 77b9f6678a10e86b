# Other labelled cohorts as sources. Their subjects go through the rules of this cohort's, in `results/cohorts/NAME`, and are
# compared with this cohort's before anything is learnt from them.
from neurograft.core import source_cohorts
from neurograft.guard import registry


wildcard_constraints:
    cohort="[A-Za-z][0-9A-Za-z]*",


def cohort_run(wildcards):
    """What a run of its own would go by that only prepares the job's cohort."""
    return RUN.cohorts[wildcards.cohort]


def learnt_cohort(wildcards):
    """The cohort that a source learns from."""
    return next(name for name in RUN.cohorts if source_cohorts.name_source(name) == wildcards.source)


def prepared_options(wildcards, block):
    """A block of the cohort's config, with word of scans that are taken as they are."""
    run = cohort_run(wildcards)
    return run.config[block] | ({"prepared": True} if run.prepared else {})


def cohort_files(wildcards):
    """The files of a subject of a source's cohort, as `scan_files` of this one's."""
    run = cohort_run(wildcards)
    if not run.subjects[wildcards.subject]["files"]:
        return []
    made = {"dicom": "converted", "images": "stacked"}.get(run.config["dataset"]["layout"])
    stem = f"results/cohorts/{wildcards.cohort}/sub-{wildcards.subject}"
    return [*([f"{stem}/{made}"] if made else []), *run.list_scans(wildcards.subject)]


def per_cohort_subject(pattern):
    """An input function that expands a path over the subjects that the cohort's source learns from."""

    def paths(wildcards):
        cohort = checkpoints.compare_cohorts.get(cohort=wildcards.cohort).output.cohort
        learnt_from = [row["participant_id"] for row in read_included(cohort, os.stat(cohort).st_mtime_ns)]
        space = cohort_run(wildcards).design.space
        return expand(pattern, cohort=wildcards.cohort, subject=learnt_from, space=space)

    return paths


use rule convert_dicom as convert_cohort_dicom with:
    output:
        converted=directory("results/cohorts/{cohort}/sub-{subject}/converted"),
    log:
        "results/logs/convert_dicom/cohort-{cohort}_sub-{subject}.log",
    benchmark:
        "results/benchmarks/convert_dicom/cohort-{cohort}_sub-{subject}.tsv"
    params:
        source=lambda wildcards: cohort_run(wildcards).subjects[wildcards.subject]["source"],
        files=lambda wildcards: file_names.digest_files(cohort_run(wildcards).subjects[wildcards.subject]["source"]),


use rule stack_pictures as stack_cohort_pictures with:
    input:
        lambda wildcards: cohort_run(wildcards).list_pictures(wildcards.subject),
    output:
        stacked=directory("results/cohorts/{cohort}/sub-{subject}/stacked"),
    log:
        "results/logs/stack_pictures/cohort-{cohort}_sub-{subject}.log",
    benchmark:
        "results/benchmarks/stack_pictures/cohort-{cohort}_sub-{subject}.tsv"
    params:
        slices=lambda wildcards: cohort_run(wildcards).subjects[wildcards.subject]["slices"],
        files=lambda wildcards: cohort_run(wildcards).digest_pictures(wildcards.subject),
        options=lambda wildcards: cohort_run(wildcards).list_stack_options(),


use rule import_scans as import_cohort_scans with:
    input:
        cohort_files,
    output:
        status="results/cohorts/{cohort}/sub-{subject}/status.json",
        scans=directory("results/cohorts/{cohort}/sub-{subject}/imported"),
    log:
        "results/logs/import_scans/cohort-{cohort}_sub-{subject}.log",
    benchmark:
        "results/benchmarks/import_scans/cohort-{cohort}_sub-{subject}.tsv"
    params:
        found=lambda wildcards: {
            name: value
            for name, value in cohort_run(wildcards).subjects[wildcards.subject].items()
            if name not in ("source", "slices")
        },
        files=lambda wildcards: cohort_run(wildcards).digest_scans(wildcards.subject),
        layout=lambda wildcards: cohort_run(wildcards).config["dataset"]["layout"],
        options=lambda wildcards: prepared_options(wildcards, "import_scans"),
        template=lambda wildcards: cohort_run(wildcards).config["register_scans"]["template"],


checkpoint compare_cohorts:
    input:
        own="results/cohort.tsv",
        scans=per_subject("results/work/sub-{subject}/status.json"),
        statuses=lambda wildcards: expand(
            "results/cohorts/{cohort}/sub-{subject}/status.json",
            cohort=wildcards.cohort,
            subject=cohort_run(wildcards).subjects,
        ),
        registry=ancient([f"{workflow.basedir}/config/{name}.tsv" for name in ("releases", "persons")]),
        releases=config["guard_leaks"]["releases"],
    output:
        cohort="results/cohorts/{cohort}/cohort.tsv",
        record="results/cohorts/{cohort}/compared.json",
    log:
        "results/logs/compare_cohorts/{cohort}.log",
    benchmark:
        "results/benchmarks/compare_cohorts/{cohort}.tsv"
    priority: 3
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(120),
    params:
        dataset=lambda wildcards: cohort_run(wildcards).config["dataset"],
        own=config["dataset"],
        registered=registry.digest_registry(f"{workflow.basedir}/config"),
        releases=config["guard_leaks"]["releases"],
        code=digest("compare_cohorts"),
    script:
        "../../scripts/compare_cohorts.py"
