# Before anything trains: is the same head in two roles, and has a source seen these patients?

from neurograft.guard import registry


# it writes where the workflow is, not where its jobs run
localrules:
    add_release,


rule guard_leaks:
    input:
        cohort="results/cohort.tsv",
        scans=per_subject("results/work/sub-{subject}/status.json"),
        slices=of_pictures("results/work/images/slices"),
        releases=config["guard_leaks"]["releases"],
    output:
        record="results/leaks.json",
        sources="results/contamination.tsv",
        fingerprints="results/fingerprints.npz",
    log:
        "results/logs/guard_leaks.log",
    benchmark:
        "results/benchmarks/guard_leaks/all.tsv"
    # before preprocessing, so that a leak is reported within minutes
    priority: 3
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(120),
    params:
        dataset=config["dataset"],
        options=RUN.list_guard_options(),
        # the registry by its content: its place and its times change with every checkout
        registered=registry.digest_registry(registry.FOLDER),
        allowed=config["allow_leak"],
        # no outputs: Snakemake would delete them when the guard stops the run, which is when they are needed
        table="results/leaks.tsv",
        store="results/work/fingerprints",
        code=digest("guard_leaks"),
    script:
        "../../scripts/guard_leaks.py"


# no output: the file belongs to the workflow, not to this run
rule add_release:
    """A public release that every later run knows again: the fingerprints of this cohort into `config/releases`, under `add_release.name`."""
    input:
        rules.guard_leaks.output.fingerprints,
    log:
        "results/logs/add_release.log",
    benchmark:
        "results/benchmarks/add_release/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        name=config["add_release"]["name"],
        code=digest("add_release"),
    script:
        "../../scripts/add_release.py"
