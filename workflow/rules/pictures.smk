# Sets of 2-D pictures: one job reads them all, since a picture takes milliseconds, and writes the same tables as for scans.


checkpoint import_images:
    input:
        [path for subject in RUN.subjects for path in RUN.list_scans(subject)],
    output:
        cohort=report("results/cohort.tsv", caption="../report/cohort.rst", category="Cohort"),
        quality=report("results/quality.tsv", caption="../report/quality.rst", category="Cohort"),
        slices=directory("results/work/images/slices"),
        record="results/work/images/import_images.json",
        copies="results/figures/images/copies.png",
    log:
        "results/logs/import_images.log",
    benchmark:
        "results/benchmarks/import_images/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(30),
    params:
        dataset=config["dataset"],
        files=RUN.digest_all_scans(),
        options={"size": config["import_images"]["size"], "method": config["normalize_intensity"]["method"]},
        code=digest("import_images"),
    script:
        "../../scripts/import_images.py"


rule score_contrast:
    input:
        splits="results/splits.json",
        cohort="results/cohort.tsv",
        slices=rules.import_images.output.slices,
    output:
        "results/evaluation/contrast.tsv",
    log:
        "results/logs/score_contrast.log",
    benchmark:
        "results/benchmarks/score_contrast/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(20),
    params:
        space=DESIGN.space,
        code=digest("score_contrast"),
    script:
        "../../scripts/score_contrast.py"
