# The report of layout eeg: one page.


rule write_eeg_report:
    input:
        splits="results/splits.json",
        tables=rules.assess_people.output,
        records=expand(rules.import_eeg.output.record, subject=EEG.people),
        heads=expand(rules.model_head.output.record, subject=EEG.people),
        templates=[
            f"{workflow.basedir}/scripts/neurograft/report/templates/{name}.html.j2"
            for name in ("base", "macros", "eeg")
        ],
    output:
        page="results/report/index.html",
        people="results/cohort.tsv",
        words="results/report/answer.txt",
        claims="results/report/claims.tsv",
    log:
        "results/logs/write_eeg_report.log",
    benchmark:
        "results/benchmarks/write_eeg_report/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=grow(10),
    params:
        settings={
            "people": list(EEG.people),
            "left_out": EEG.left_out,
            "simulated": EEG.simulated,
            "spaces": config["decode"]["spaces"],
            "known": config["model_head"]["known"],
            "title": config["report"]["title"],
        },
        evaluation="results/evaluation",
        code=digest("write_eeg_report"),
    script:
        "../../scripts/write_eeg_report.py"
