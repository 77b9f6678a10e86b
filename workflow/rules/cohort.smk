# From a dataset to results/cohort.tsv: who is in, who is out, and why.


rule simulate_subject:
    output:
        directory("results/simulated/sub-{subject}"),
    log:
        "results/logs/simulate_subject/sub-{subject}.log",
    benchmark:
        "results/benchmarks/simulate_subject/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(5),
    params:
        seed=config["seed"],
        options=config["simulate_subject"],
        code=digest("simulate_subject"),
    script:
        "../../scripts/simulate_subject.py"


rule convert_dicom:
    input:
        # compare its content, not its modification time, which changes with every checkout
        rules=ancient(RUN.series_rules),
    output:
        converted=directory("results/work/sub-{subject}/converted"),
    log:
        "results/logs/convert_dicom/sub-{subject}.log",
    benchmark:
        "results/benchmarks/convert_dicom/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(20),
    params:
        source=lambda wildcards: RUN.subjects[wildcards.subject]["source"],
        # not as input: Snakemake would write the files' names down, and they may say who it is
        files=lambda wildcards: dicom_files(wildcards.subject),
        rules=RUN.series_digest,
        code=digest("convert_dicom"),
    script:
        "../../scripts/convert_dicom.py"


rule stack_pictures:
    input:
        lambda wildcards: RUN.list_pictures(wildcards.subject),
    output:
        stacked=directory("results/work/sub-{subject}/stacked"),
    log:
        "results/logs/stack_pictures/sub-{subject}.log",
    benchmark:
        "results/benchmarks/stack_pictures/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(10),
    params:
        slices=lambda wildcards: RUN.subjects[wildcards.subject]["slices"],
        files=lambda wildcards: RUN.digest_pictures(wildcards.subject),
        options=RUN.list_stack_options(),
        code=digest("stack_pictures"),
    script:
        "../../scripts/stack_pictures.py"


rule import_scans:
    input:
        scan_files,
    output:
        status="results/work/sub-{subject}/status.json",
        scans=directory("results/work/sub-{subject}/imported"),
    log:
        "results/logs/import_scans/sub-{subject}.log",
    benchmark:
        "results/benchmarks/import_scans/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(5),
    params:
        # not where it was found: in a table that is a row, and a patient more above it changes that; what pictures there
        # are has been said by their stack
        found=lambda wildcards: {
            name: value for name, value in RUN.subjects[wildcards.subject].items() if name not in ("source", "slices")
        },
        # a file of an older date in the place of another is a change too
        files=lambda wildcards: RUN.digest_scans(wildcards.subject),
        layout=config["dataset"]["layout"],
        options=config["import_scans"] | ({"prepared": True} if RUN.prepared else {}),
        template=config["register_scans"]["template"],
        code=digest("import_scans"),
    script:
        "../../scripts/import_scans.py"


checkpoint gather_cohort:
    input:
        expand("results/work/sub-{subject}/status.json", subject=RUN.subjects),
    output:
        cohort=report("results/cohort.tsv", caption="../report/cohort.rst", category="Cohort"),
        description="results/derivatives/dataset_description.json",
    log:
        "results/logs/gather_cohort.log",
    benchmark:
        "results/benchmarks/gather_cohort/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        # of subjects who are no longer in, nothing stays there
        delivered=["results/derivatives", "results/figures"],
        code=digest("gather_cohort"),
    script:
        "../../scripts/gather_cohort.py"
