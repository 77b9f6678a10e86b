# EEG of several people (layout eeg): trials of one person decoded by what others' teach. It has rules of its own, from
# recordings to the report; comparison and verdict are those of every layout.
from neurograft.eeg import setup as eeg_setup

try:
    EEG = eeg_setup.prepare_eeg(config, workflow.basedir)
except eeg_setup.EegSetupError as mistake:
    raise WorkflowError(str(mistake)) from None
config.update(EEG.config)


rule simulate_person:
    output:
        folder=directory("results/simulated/sub-{subject}/eeg"),
        truth="results/simulated/sub-{subject}/truth.npz",
    log:
        "results/logs/simulate_person/{subject}.log",
    benchmark:
        "results/benchmarks/simulate_person/{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        seed=config["seed"],
        code=digest("simulate_person"),
    script:
        "../../scripts/simulate_person.py"


rule import_eeg:
    input:
        lambda wildcards: EEG.list_files(wildcards.subject),
    output:
        trials="results/work/sub-{subject}/trials.npz",
        record="results/work/sub-{subject}/import_eeg.json",
    log:
        "results/logs/import_eeg/{subject}.log",
    benchmark:
        "results/benchmarks/import_eeg/{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=grow(10),
    params:
        runs=lambda wildcards: EEG.people[wildcards.subject]["runs"],
        options=config["import_eeg"],
        code=digest("import_eeg"),
    script:
        "../../scripts/import_eeg.py"


rule model_head:
    input:
        trials=rules.import_eeg.output.trials,
        record=rules.import_eeg.output.record,
        t1=lambda wildcards: EEG.list_anatomy(wildcards.subject),
        truth=rules.simulate_person.output.truth if EEG.simulated else [],
    output:
        gains="results/work/sub-{subject}/gains.npz",
        record="results/work/sub-{subject}/model_head.json",
    log:
        "results/logs/model_head/{subject}.log",
    benchmark:
        "results/benchmarks/model_head/{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(3500),
        runtime=grow(20),
    params:
        options={**config["model_head"], "seed": config["seed"], "spaces": config["decode"]["spaces"]},
        code=digest("model_head"),
    script:
        "../../scripts/model_head.py"


rule split_trials:
    input:
        trials=expand(rules.import_eeg.output.trials, subject=EEG.people),
        records=expand(rules.import_eeg.output.record, subject=EEG.people),
        heads=expand(rules.model_head.output.record, subject=EEG.people),
    output:
        "results/splits.json",
    log:
        "results/logs/split_trials.log",
    benchmark:
        "results/benchmarks/split_trials/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        people=list(EEG.people),
        classes=config["import_eeg"]["classes"],
        sizes=config["decode"]["own"],
        code=digest("split_trials"),
    script:
        "../../scripts/split_trials.py"


rule decode:
    input:
        splits="results/splits.json",
        trials=expand(rules.import_eeg.output.trials, subject=EEG.people),
        gains=expand(rules.model_head.output.gains, subject=EEG.people),
    output:
        scores="results/work/scores/{subject}.tsv",
        chosen="results/work/chosen/{subject}.tsv",
    log:
        "results/logs/decode/{subject}.log",
    benchmark:
        "results/benchmarks/decode/{subject}.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(30),
    params:
        people=list(EEG.people),
        options=config["decode"],
        seed=config["seed"],
        code=digest("decode"),
    script:
        "../../scripts/decode.py"


rule assess_people:
    input:
        scores=expand(rules.decode.output.scores, subject=EEG.people),
        chosen=expand(rules.decode.output.chosen, subject=EEG.people),
    output:
        scores="results/evaluation/scores.tsv",
        chosen="results/evaluation/chosen.tsv",
        comparison="results/evaluation/comparison.tsv",
        labels_saved="results/evaluation/labels_saved.tsv",
        anatomy="results/evaluation/anatomy.tsv",
        means="results/evaluation/means.tsv",
    log:
        "results/logs/assess_people.log",
    benchmark:
        "results/benchmarks/assess_people/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        margins=config["margin"],
        spaces=config["decode"]["spaces"],
        code=digest("assess_people"),
    script:
        "../../scripts/assess_people.py"


rule fill_people_card:
    input:
        splits="results/splits.json",
        comparison=rules.assess_people.output.comparison,
        scores=rules.assess_people.output.scores,
    output:
        "results/verdict_card.json",
    log:
        "results/logs/fill_people_card.log",
    benchmark:
        "results/benchmarks/fill_people_card/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=grow(10),
    params:
        settings={**verdict_card.take_settings(config), "simulated": EEG.simulated},
        code=digest("fill_people_card"),
    script:
        "../../scripts/fill_people_card.py"


include: "eeg_report.smk"
include: "eeg_targets.smk"
