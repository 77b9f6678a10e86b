# The report.


rule write_report:
    input:
        cohort="results/cohort.tsv",
        check=rules.check_dataset.output.survey,
        quality="results/quality.tsv",
        intensities=[] if RUN.pictures else "results/intensities.tsv",
        splits="results/splits.json",
        guard=rules.guard_leaks.output.record,
        scores=rules.compare_strategies.output.scores,
        comparison=rules.compare_strategies.output.comparison,
        again=rules.compare_strategies.output.again,
        times=rules.compare_strategies.output.times,
        recommendation=rules.recommend_strategy.output[0],
        labels_saved=rules.assess_transfer.output.labels_saved,
        gain_by_budget=rules.assess_transfer.output.gain_by_budget,
        time_saved=rules.assess_transfer.output.time_saved,
        overfitting=rules.assess_transfer.output.overfitting,
        generalisation=rules.assess_transfer.output.generalisation,
        layers=rules.assess_transfer.output.layers,
        features=rules.assess_transfer.output.features,
        privacy=rules.assess_transfer.output.privacy,
        fairness=rules.assess_transfer.output.fairness,
        membership=rules.probe_sources.output[0] if RUN.headed else [],
        mask_quality=[] if RUN.pictures else rules.judge_masks.output.judged,
        mask_summary=[] if RUN.pictures else rules.judge_masks.output.summary,
        unlabelled_masks=[] if RUN.pictures else rules.judge_masks.output.unlabelled,
        label_doubt=[] if RUN.pictures else rules.judge_masks.output.labels,
        mask_calibration=[] if RUN.pictures else rules.judge_masks.output.calibration,
        missed_tumour=[] if RUN.pictures else rules.judge_masks.output.missed,
        lesions=[] if RUN.pictures else rules.score_lesions.output.summary,
        false_alarms=[] if RUN.pictures else rules.certify_masks.output.summary,
        label_order=[] if RUN.pictures else rules.order_labels.output.order,
        label_gain=[] if RUN.pictures else rules.order_labels.output.summary,
        cells=trained_cells,
        plan=planned,
        audit=audited,
        transfer_scores=lambda wildcards: rules.score_sources.output[0] if audited(wildcards) else [],
        candidates=candidate_list,
        imported=of_pictures("results/work/images/import_images.json"),
        copies=of_pictures("results/figures/images/copies.png"),
        contrast=of_pictures("results/evaluation/contrast.tsv"),
        replay=rules.compare_splits.output.table if RUN.replayed else [],
        replay_dice=rules.compare_splits.output.dice if RUN.replayed else [],
        figures=per_subject("results/figures/sub-{subject}/space-{space}"),
        volumes=per_subject("results/work/sub-{subject}/space-{space}/viewer_volumes.js"),
        templates=[
            f"{workflow.basedir}/scripts/neurograft/report/templates/{name}"
            for name in (
                *("base.html.j2", "macros.html.j2", "index.html.j2", "quality.html.j2", "subject.html.j2"),
                *("check.html.j2", "checklist.html.j2", "images.html.j2", "replay.html.j2", "transfer.html.j2"),
                *("viewer.html.j2", "viewer.js"),
            )
        ],
        texts=[
            f"{workflow.basedir}/scripts/neurograft/report/{name}.yaml"
            for name in ("references", "guidance", "checklist")
        ],
    output:
        report(directory("results/report"), htmlindex="index.html", caption="../report/answer.rst", category="Report"),
    log:
        "results/logs/write_report.log",
    benchmark:
        "results/benchmarks/write_report/all.tsv"
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(20),
    params:
        config=config,
        primary=DESIGN.primary,
        sources=RUN.choice.named,
        benchmarks="results/benchmarks",
        code=digest("write_report"),
    script:
        "../../scripts/write_report.py"


# It has no output, and no benchmark, which counts as one: what is written by hand has no date that Snakemake could go by,
# so it compares whenever it is asked.
rule verify_checklist:
    """Whether the report's checklist says what the files of the run say, or was changed by hand."""
    input:
        **dict(rules.write_report.input.items()),
        report="results/report",
    log:
        "results/logs/verify_checklist.log",
    conda:
        "../../envs/environment.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=grow(20),
    params:
        config=config,
        primary=DESIGN.primary,
        sources=RUN.choice.named,
        benchmarks="results/benchmarks",
    script:
        "../../scripts/verify_checklist.py"
