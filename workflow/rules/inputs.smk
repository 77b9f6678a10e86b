# The lists that rules expand over: subjects that are in, and cells of the experiment.

# Known from the start, so that a missing network stops a run at its beginning and not after hours of preprocessing.
FETCHED = [WEIGHTS[name] for name, row in USED.items() if sources.is_remote(row)]


@lru_cache
def read_included(path, changed):
    """The rows of the subjects that are in; read once for each state of the file, for thousands of jobs ask."""
    return [row for row in cohort.read_table(path) if row["included"] == "true"]


def included(labelled=False):
    """The rows of the subjects that are in, once the checkpoint has read every status."""
    path = checkpoints.gather_cohort.get().output.cohort
    rows = read_included(path, Path(path).stat().st_mtime_ns)
    return [row for row in rows if row["labels"] == "true" or not labelled]


def per_subject(pattern, labelled=False):
    """An input function that expands a path over the subjects that are in, in the job's space or the template's."""

    def paths(wildcards):
        subjects = [row["participant_id"] for row in included(labelled)]
        return expand(pattern, subject=subjects, space=getattr(wildcards, "space", SPACE))

    return paths


def count_folds(split, rows):
    """How many folds a split of the labelled subjects has; `split_cohort` settles who is in them."""
    sites = {row["site"] for row in rows if row["site"]}
    return {"folds": config["split_cohort"]["folds"], "sites": len(sites) if len(sites) > 1 else 0, "between": 1}[split]


def cells(task, pattern, **fixed):
    """A path for every cell of a task's experiment; none where too few subjects have labels."""
    rows = included(labelled=True)
    if len(rows) < config["split_cohort"]["folds"]:
        return []
    wanted = config["experiment"][task]
    spans = {"task": task, "source": wanted["sources"], "strategy": wanted["strategies"], "n": wanted["n"]}
    spans |= {"seed": wanted["seeds"], "split": wanted["splits"]}
    spans |= {"space": dict.fromkeys(SPACES[space] for space in wanted["spaces"])} | fixed
    splits = spans.pop("split")
    return [
        path for split in splits for path in expand(pattern, split=split, fold=range(count_folds(split, rows)), **spans)
    ]


def primary_arms():
    """The space and split of the experiment that the verdict is about: those named first."""
    wanted = config["experiment"]["segmentation"]
    return {"space": SPACES[wanted["spaces"][0]], "split": wanted["splits"][0]}


def scan_files(wildcards):
    """The subject's own files, so that a changed scan reruns its subject and nobody else."""
    if config["dataset"]["layout"] == "phantom":
        return rules.simulate_subject.output
    return [path for path in FOUND[wildcards.subject]["files"].values() if Path(path).exists()]


def candidate_records(wildcards):
    """The record of every included subject's candidates."""
    return per_subject("results/work/sub-{subject}/space-{space}/propose_candidates.json")(wildcards)


def trained_cells(wildcards):
    """Every cell of the experiment, both tasks."""
    return [cell for task in config["experiment"] for cell in cells(task, rules.train_network.output[0])]


def delivered_cells(wildcards):
    """The cells whose predictions become the delivered segmentation: every fold of one strategy."""
    wanted = config["experiment"]["segmentation"]
    return cells(
        "segmentation",
        rules.train_network.output[0],
        source=wanted["sources"][0],
        strategy=DELIVERED,
        space=SPACE,
        split=["folds"],
        n="all",
        seed=wanted["seeds"][0],
    )


def count_cells(wildcards):
    """How many cells each source has in each task."""
    return {
        task: {source: len(cells(task, rules.train_network.output[0], source=source)) for source in wanted["sources"]}
        for task, wanted in config["experiment"].items()
    }


def planned(wildcards):
    """The plan of the experiment, where there is anything to train."""
    return rules.plan_experiment.output.plan if trained_cells(wildcards) else []


def scored_cells(wildcards):
    """The scores of every cell."""
    return [scores for task in config["experiment"] for scores in cells(task, rules.score_predictions.output[0])]


def source_scores(rows, spaces):
    """The scores of every 2-D source of some, in some spaces."""
    flat = [name for name, row in rows.items() if row["dimensions"] == "2"]
    return expand(rules.score_features.output[0], source=flat, space=dict.fromkeys(SPACES[space] for space in spaces))


def audited(wildcards):
    """The audit of the transferability scores, where there is anything to train."""
    return rules.audit_scores.output[0] if trained_cells(wildcards) else []


def when_audited(wildcards):
    """When the audit was made, so that a newer one is shown."""
    audit = Path("results/evaluation/audit.tsv")
    return audit.stat().st_mtime_ns if audit.exists() else 0


def delivered_records(wildcards):
    """The record of every included subject's delivered segmentation."""
    return per_subject("results/work/sub-{subject}/space-{space}/deliver_segmentation.json")(wildcards)
