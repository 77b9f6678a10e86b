# The lists that rules expand over: subjects that are in, and cells of the experiment.
import re

# Known from the start, so that a missing network stops a run at its beginning and not after hours of preprocessing.
FETCHED = [WEIGHTS[name] for name, row in USED.items() if sources.is_remote(row)]

# what both rules that make a source go by
PRETRAINED = config["pretrain"] | {name: config["train_network"][name] for name in ("batch", "threads")}
PRETRAINED |= {"seed": config["seed"]}
# what every training goes by, and the plan of them
TRAINING = {name: value for name, value in config["train_network"].items() if name != "sampling"}


def made_source(name):
    """What a source is made by: another licence or citation makes nothing again."""
    return {key: SOURCES[name][key] for key in ("name", "backbone", "location", "sha256")}


def any_of(wanted):
    """A wildcard's pattern: any of the sources whose row is wanted, so that one rule makes each."""
    return "|".join(re.escape(name) for name, row in SOURCES.items() if wanted(row)) or "(?!)"


@lru_cache
def read_included(path, changed):
    """The rows of the subjects that are in; read once for each state of the file, for thousands of jobs ask."""
    return [row for row in cohort.read_table(path) if row["included"] == "true"]


def included(labelled=False):
    """The rows of the subjects that are in, once the checkpoint has read every status."""
    path = getattr(checkpoints, COHORT).get().output.cohort
    rows = read_included(path, Path(path).stat().st_mtime_ns)
    return [row for row in rows if row["labels"] == "true" or not labelled]


def per_subject(pattern):
    """An input function that expands a path over the subjects that are in, in the job's space or the template's.

    Nothing for pictures, which have no jobs of their own.
    """

    def paths(wildcards):
        subjects = [] if IMAGES else [row["participant_id"] for row in included()]
        return expand(pattern, subject=subjects, space=getattr(wildcards, "space", SPACE))

    return paths


def subjects(wildcards):
    """The list of what the cells read of every subject that is in; pictures share one folder.

    One file a job, for thousands of subjects are inputs of one job and not of each.
    """
    if IMAGES:
        return rules.import_images.output.slices
    return f"results/work/space-{getattr(wildcards, 'space', SPACE)}/subjects.tsv"


def answered(task):
    """The rows of the subjects that a task may learn from: with tumour labels, or with a class in the cohort's table."""
    target = config["experiment"]["classification"]["target"]
    if task == "classification" and target != "tumour-slice":
        return [row for row in included() if row.get(target, "") not in ("", "n/a")]
    return included(labelled=True)


def count_folds(split, rows):
    """How many folds a split of the labelled subjects has; `split_cohort` settles who is in them."""
    sites = {row["site"] for row in rows if row["site"]}
    return {"folds": config["split_cohort"]["folds"], "sites": len(sites) if len(sites) > 1 else 0, "between": 1}[split]


def arms(task, **fixed):
    """The distinct arms of a task's experiment, by the wildcards of a cell; those alone that have what is fixed."""
    named = [
        arm | {"task": task, "space": SPACES[arm["space"]]} for arm in experiment.list_arms(config["experiment"][task])
    ]
    # without a template both of the config's spaces are one
    distinct = dict.fromkeys(tuple(arm.items()) for arm in named if fixed.items() <= arm.items())
    return [dict(arm) for arm in distinct]


def cells(task, pattern, **fixed):
    """A path for every cell of a task's experiment; none where too few subjects have labels."""
    rows = answered(task)
    if len(rows) < config["split_cohort"]["folds"]:
        return []
    counts = {split: count_folds(split, rows) for split in ("folds", "sites", "between")}
    return [pattern.format(fold=fold, **arm) for arm in arms(task, **fixed) for fold in range(counts[arm["split"]])]


def primary_arms():
    """The space and split of the experiment that the verdict is about: those named first."""
    experiment = config["experiment"]
    wanted = experiment["segmentation" if experiment["segmentation"]["strategies"] else "classification"]
    return {"space": SPACES[wanted["spaces"][0]], "split": wanted["splits"][0]}


@lru_cache
def dicom_files(subject):
    """A digest of the names, sizes and times of a patient's DICOM files, so that a changed one converts them again."""
    return names.digest_files(FOUND[subject]["source"])


def scan_files(wildcards):
    """The subject's own files, so that a changed scan reruns its subject and nobody else."""
    if not FOUND[wildcards.subject]["files"]:
        return []  # excluded by hand
    made = {"phantom": "simulate_subject", "dicom": "convert_dicom"}.get(config["dataset"]["layout"])
    folders = getattr(rules, made).output if made else []
    # what a job makes comes with its folder
    own = [path for path in FOUND[wildcards.subject]["files"].values() if not path.startswith("results/")]
    return [*folders, *(path for path in own if Path(path).exists())]


def candidate_list(wildcards):
    """The list of every included subject's candidates, in the job's space or the template's; pictures have none."""
    return [] if IMAGES else f"results/work/space-{getattr(wildcards, 'space', SPACE)}/candidates.tsv"


def sampled_candidates(wildcards):
    """The list of the candidates that training slices are drawn by, where that is asked for."""
    asked = config["train_network"]["sampling"] == "candidates" and wildcards.task == "segmentation"
    return candidate_list(wildcards) if asked else []


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
        split="folds",
        n="all",
        seed=wanted["seeds"][0],
    )


def member_cells(wildcards):
    """The cells that an ensemble averages."""
    members = experiment.list_members(arms("segmentation"), wildcards)
    return [rules.train_network.output[0].format(task="segmentation", strategy=name, **wildcards) for name in members]


def is_delivered(wildcards):
    """Whether a cell's predictions become the delivered segmentation, alone or as a member of an ensemble."""
    averaged = DELIVERED == settings.ENSEMBLE and experiment.is_member(wildcards.strategy)
    return (wildcards.space, wildcards.split) == (SPACE, "folds") and (averaged or wildcards.strategy == DELIVERED)


def count_cells(wildcards):
    """How many cells each source has in each task that strategies are asked of."""
    return {
        task: {
            source: sum(
                len(cells(task, rules.train_network.output[0], source=source, strategy=strategy))
                for strategy in dict.fromkeys(arm["strategy"] for arm in arms(task, source=source))
                if strategy not in settings.UNTRAINED
            )
            for source in experiment.list_sources(wanted)
        }
        for task, wanted in config["experiment"].items()
        if wanted["strategies"]
    }


def compared_arms(wildcards):
    """The source and strategy of every arm that the verdict is about: held against scratch, at the largest n."""
    return [
        (arm["source"], arm["strategy"])
        for arm in arms("segmentation", **primary_arms())
        if arm["n"] == "all" and arm["strategy"] not in (*settings.CONTROLS, *settings.UNTRAINED)
    ]


def planned(wildcards):
    """The plan of the experiment, where there is anything to train."""
    return rules.plan_experiment.output.plan if trained_cells(wildcards) else []


def of_images(name):
    """What only a set of pictures has: the record and the examples of its import, and the scores of its histograms."""
    return lambda wildcards: IMAGE_FILES[name] if IMAGES else []


IMAGE_FILES = {
    "record": "results/work/images/import_images.json",
    "copies": "results/figures/images/copies.png",
    "contrast": "results/evaluation/contrast.tsv",
}


def scored_cells(wildcards):
    """The scores of every cell."""
    return [scores for task in config["experiment"] for scores in cells(task, rules.score_predictions.output[0])]


def source_scores(rows, spaces):
    """The scores of every 2-D source of some, in some spaces."""
    flat = [name for name, row in rows.items() if row["dimensions"] == "2"]
    return expand(rules.score_features.output[0], source=flat, space=spaces)


def audited(wildcards):
    """The audit of the transferability scores, where there is anything to train and to segment."""
    return rules.audit_scores.output[0] if scored_spaces() and trained_cells(wildcards) else []


def scored_spaces():
    """The spaces in which sources are scored: those that segmentation is trained in."""
    return list(dict.fromkeys(arm["space"] for arm in arms("segmentation")))


def when_audited(wildcards):
    """When the audit was made, so that a newer one is shown."""
    audit = Path("results/evaluation/audit.tsv")
    return audit.stat().st_mtime_ns if audit.exists() else 0


def delivered_records(wildcards):
    """The record of every included subject's delivered segmentation."""
    return per_subject("results/work/sub-{subject}/space-{space}/deliver_segmentation.json")(wildcards)
