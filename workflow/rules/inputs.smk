# Input functions, shared ones first: each asks the library what is needed, and formats paths.


@lru_cache
def read_included(path, changed):
    """The rows of the included subjects; cached for each state of the file, because thousands of jobs need them."""
    return design.keep_included(tables.read_table(path))


def included():
    """The rows of the included subjects, after the checkpoint has read every status."""
    reader = checkpoints.import_images if RUN.pictures else checkpoints.gather_cohort
    path = reader.get().output.cohort
    return read_included(path, os.stat(path).st_mtime_ns)


def labelled_subjects():
    """The included subjects with tumour labels."""
    return [row["participant_id"] for row in DESIGN.list_answered("segmentation", included())]


def per_subject(pattern):
    """An input function that expands a path over the subjects that are in, in the job's space or the template's.

    Nothing for pictures, which have no jobs of their own.
    """

    def paths(wildcards):
        subjects = [] if RUN.pictures else [row["participant_id"] for row in included()]
        return expand(pattern, subject=subjects, space=getattr(wildcards, "space", DESIGN.space))

    return paths


def subjects(wildcards):
    """The list of what the cells read of every subject that is in; pictures share one folder.

    A single file, so that the files of thousands of subjects are inputs of only one job.
    """
    if RUN.pictures:
        return rules.import_images.output.slices
    return f"results/work/space-{getattr(wildcards, 'space', DESIGN.space)}/subjects.tsv"


def candidate_list(wildcards):
    """The list of every included subject's candidates, in the job's space or the template's, where any are proposed."""
    return of_candidates(f"results/work/space-{getattr(wildcards, 'space', DESIGN.space)}/candidates.tsv")


def format_cells(pattern, cells):
    """A path for each of some cells."""
    return [pattern.format(**cell) for cell in cells]


def trained_cells(wildcards):
    """The folder of every cell of the experiment, both tasks."""
    return format_cells(rules.train_network.output[0], DESIGN.list_all_cells(included()))


def replayed_cells(wildcards):
    """The folders of the cells of control splits, and of the same arms by patient."""
    cells = DESIGN.list_cells("classification", included(), n="all")
    return format_cells(rules.train_network.output[0], replay.choose_replayed(cells))


def replayed(wildcards):
    """The comparison of control splits with the split by patient, where the experiment has any; otherwise an error."""
    if not RUN.replayed:
        raise WorkflowError(
            "replay takes an experiment with the split slices, such as config/examples/replay_lu.yaml "
            "(experiment.classification.splits)"
        )
    return rules.compare_splits.output.words


@lru_cache
def dicom_files(subject):
    """A digest of the names, sizes and times of a patient's DICOM files, so that a changed one converts them again."""
    return file_names.digest_files(RUN.subjects[subject]["source"])


def scan_files(wildcards):
    """The subject's own files, so that a changed scan reruns only its subject."""
    if not RUN.subjects[wildcards.subject]["files"]:
        return []  # excluded by hand
    made = {"phantom": "simulate_subject", "dicom": "convert_dicom", "images": "stack_pictures"}.get(
        config["dataset"]["layout"]
    )
    # what a job makes comes with its folder
    return [*(getattr(rules, made).output if made else []), *RUN.list_scans(wildcards.subject)]


def made_source(name):
    """The fields of a source that affect its weights; a changed licence or citation reruns nothing."""
    return RUN.describe_source(name, "name", "backbone", "location", "sha256")


def sampled_candidates(wildcards):
    """The list of the candidates from which training slices are sampled, if this is configured."""
    asked = config["train_network"]["sampling"] == "candidates" and wildcards.task == "segmentation"
    return candidate_list(wildcards) if asked else []


def control_cells(wildcards):
    """The cells that learnt to segment from all patients of a fold: the controls of what a source remembers."""
    return format_cells(
        rules.train_network.output[0], DESIGN.list_cells("segmentation", included(), n="all", split="folds")
    )


def member_cells(wildcards):
    """The cells that an ensemble averages."""
    return format_cells(rules.train_network.output[0], DESIGN.list_member_cells(wildcards))


def scored_cells(wildcards):
    """The scores of every cell."""
    return format_cells(rules.score_predictions.output[0], DESIGN.list_all_cells(included()))


def delivered_cells(wildcards):
    """The cells whose predictions become the delivered segmentation."""
    return format_cells(rules.train_network.output[0], DESIGN.list_delivered_cells(included()))


def peer_cells(wildcards):
    """The cells with whose masks those of the delivered cells are compared."""
    return format_cells(
        rules.train_network.output[0], peers.list_peer_cells(DESIGN, included(), config["judge_masks"]["peers"])
    )


def source_scores(rows, spaces):
    """The scores of every 2-D source of some, in some spaces."""
    flat = [name for name, row in rows.items() if row["dimensions"] == "2"]
    return expand(rules.score_features.output[0], source=flat, space=spaces)


def audited(wildcards):
    """The audit of the transferability scores, where there is anything to train and to segment."""
    return rules.audit_scores.output[0] if DESIGN.scored_spaces and trained_cells(wildcards) else []


def when_audited(wildcards):
    """When the audit was made, so that a newer one is shown."""
    audit = "results/evaluation/audit.tsv"
    return os.stat(audit).st_mtime_ns if os.path.exists(audit) else 0


def planned(wildcards):
    """The plan of the experiment, where there is anything to train."""
    return rules.plan_experiment.output.plan if trained_cells(wildcards) else []


def of_candidates(path):
    """A path that exists only in runs with tumour candidates; otherwise nothing."""
    return path if RUN.candidates else []


def of_pictures(path):
    """A path that exists only for sets of pictures; otherwise nothing."""
    return path if RUN.pictures else []
