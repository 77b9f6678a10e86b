# The lists that rules expand over: subjects that are in, and cells of the experiment.

# Known from the start, so that a missing network stops a run at its beginning and not after hours of preprocessing.
FETCHED = [WEIGHTS[name] for name, row in NAMED.items() if sources.is_remote(row)]


def included(labelled=False):
    """The subjects that are in, once the checkpoint has read every status."""
    rows = cohort.read_table(checkpoints.gather_cohort.get().output.cohort)
    rows = [row for row in rows if row["included"] == "true"]
    return [row["participant_id"] for row in rows if row["labels"] == "true" or not labelled]


def per_subject(pattern):
    """An input function that expands a path over the subjects that are in."""
    return lambda wildcards: expand(pattern, subject=included(), space=SPACE)


def cells(task, pattern, **fixed):
    """A path for every cell of a task's experiment; none where too few subjects have labels."""
    if len(included(labelled=True)) < config["split_cohort"]["folds"]:
        return []
    wanted = config["experiment"][task]
    spans = {"task": task, "source": wanted["sources"], "strategy": wanted["strategies"], "n": wanted["n"]}
    spans |= {"seed": wanted["seeds"], "fold": range(config["split_cohort"]["folds"])}
    return expand(pattern, **(spans | fixed))


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
        n="all",
        seed=wanted["seeds"][0],
    )


def scored_cells(wildcards):
    """The scores of every cell."""
    return [scores for task in config["experiment"] for scores in cells(task, rules.score_predictions.output[0])]


def delivered_records(wildcards):
    """The record of every included subject's delivered segmentation."""
    return per_subject("results/work/sub-{subject}/space-{space}/deliver_segmentation.json")(wildcards)
