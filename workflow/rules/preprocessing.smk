# Skull-stripping, registration and intensity normalisation of each subject, the list of the results, and the quality table.


rule strip_skull:
    input:
        status="results/work/sub-{subject}/status.json",
        scans="results/work/sub-{subject}/imported",
    output:
        mask="results/derivatives/sub-{subject}/anat/sub-{subject}_desc-brain_mask.nii.gz",
        record="results/work/sub-{subject}/strip_skull.json",
    log:
        "results/logs/strip_skull/sub-{subject}.log",
    benchmark:
        "results/benchmarks/strip_skull/sub-{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    # one thread: a second one takes a third more CPU time, and two subjects at a time use two cores better
    threads: 1
    resources:
        mem_mb=grow(3000),
        runtime=grow(10),
    params:
        options=config["strip_skull"],
        code=digest("strip_skull"),
    script:
        "../../scripts/strip_skull.py"


rule register_scans:
    input:
        status="results/work/sub-{subject}/status.json",
        scans="results/work/sub-{subject}/imported",
        masks=rules.strip_skull.output.mask,
        template=lambda wildcards: (RUN.template or []) if wildcards.space == DESIGN.space else [],
    output:
        scans=directory("results/work/sub-{subject}/space-{space}/registered"),
        record="results/work/sub-{subject}/space-{space}/register_scans.json",
    log:
        "results/logs/register_scans/sub-{subject}_space-{space}.log",
    benchmark:
        "results/benchmarks/register_scans/sub-{subject}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    # two alignments at a time where no other subject has a use for the second core: each by itself is quicker for many
    threads: 2 if len(RUN.subjects) == 1 else 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(20),
    params:
        options=lambda wildcards: config["register_scans"]
        | ({} if wildcards.space == DESIGN.space else {"template": "none"}),
        code=digest("register_scans"),
    script:
        "../../scripts/register_scans.py"


rule normalize_intensity:
    input:
        scans=rules.register_scans.output.scans,
    output:
        mask="results/derivatives/sub-{subject}/anat/sub-{subject}_space-{space}_desc-brain_mask.nii.gz",
        slices=directory("results/work/sub-{subject}/space-{space}/slices"),
        record="results/work/sub-{subject}/space-{space}/normalize_intensity.json",
    log:
        "results/logs/normalize_intensity/sub-{subject}_space-{space}.log",
    benchmark:
        "results/benchmarks/normalize_intensity/sub-{subject}_space-{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        options=config["normalize_intensity"] | ({"prepared": True} if RUN.prepared else {}),
        planes=config["train_network"]["planes"],
        code=digest("normalize_intensity"),
    script:
        "../../scripts/normalize_intensity.py"


# One input for each later job instead of thousands: planning takes as long as there are files to look at. The slices come
# with the record of the job that writes them.
rule gather_subjects:
    input:
        status=per_subject("results/work/sub-{subject}/status.json"),
        stripped=per_subject("results/work/sub-{subject}/strip_skull.json"),
        registered=per_subject("results/work/sub-{subject}/space-{space}/register_scans.json"),
        normalized=per_subject("results/work/sub-{subject}/space-{space}/normalize_intensity.json"),
    output:
        "results/work/space-{space}/subjects.tsv",
    log:
        "results/logs/gather_subjects/{space}.log",
    benchmark:
        "results/benchmarks/gather_subjects/{space}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        code=digest("gather_subjects"),
    script:
        "../../scripts/gather_subjects.py"


rule gather_quality:
    input:
        f"results/work/space-{DESIGN.space}/subjects.tsv",
    output:
        quality=report("results/quality.tsv", caption="../report/quality.rst", category="Cohort"),
        intensities="results/intensities.tsv",
    log:
        "results/logs/gather_quality.log",
    benchmark:
        "results/benchmarks/gather_quality/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        code=digest("gather_quality"),
    script:
        "../../scripts/gather_quality.py"
