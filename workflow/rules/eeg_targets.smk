# Targets of layout eeg. Those of other layouts that it has not say so.


localrules:
    check,
    plan,
    evaluate,
    report,


rule plan_people:
    output:
        plan="results/plan.json",
        words="results/plan.txt",
    log:
        "results/logs/plan_people.log",
    benchmark:
        "results/benchmarks/plan_people/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(5),
    params:
        asked={
            "people": len(EEG.people),
            "family": len(EEG.list_judged()),
            "spaces": config["decode"]["spaces"],
            "margin": config["margin"].get("balanced-accuracy", 0.0),
            "simulated": EEG.simulated,
        },
        code=digest("plan_people"),
    script:
        "../../scripts/plan_people.py"


rule check:
    """Layout eeg: at once, who was found, what lies beside the recordings, who is left out by hand; nothing is opened."""
    log:
        "results/logs/check.log",
    conda:
        "../../envs/environment.yaml"
    params:
        found=EEG.describe(),
    shell:
        "printf '%s\\n' {params.found:q} | tee {log}"


rule plan:
    """Layout eeg: before anything is decoded, how long it takes and the smallest difference that so many people can show."""
    input:
        rules.plan_people.output.words,
    log:
        "results/logs/plan.log",
    conda:
        "../../envs/environment.yaml"
    shell:
        "tee {log} < {input}"


rule evaluate:
    """Layout eeg: scores and comparisons under `results/evaluation`, and the verdict card, without the report."""
    input:
        rules.assess_people.output,
        rules.fill_people_card.output,


rule report:
    """Layout eeg: the report, with verdict, learning curves, labels saved and what anatomy adds."""
    input:
        rules.write_eeg_report.output.page,


def refuse(target):
    """An input function that says that this layout has no such target."""

    def say(wildcards):
        raise WorkflowError(
            f"layout eeg has no target {target}, which is about scans; it has all, check, plan, evaluate and report"
        )

    return say


for target in eeg_setup.SCANS_ONLY:

    rule:
        name:
            target
        input:
            refuse(target),
