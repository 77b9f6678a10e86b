"""Assign the subjects of a cell: training, test and unlabelled, and whose images a network adapts to."""

from neurograft.cohort import splits
from neurograft.core.control_splits import shares_patients, subject_of
from neurograft.core.split_file import SplitFile, map_tasks, owner_of


class UntrainableError(ValueError):
    """A cell that cannot be trained; the message is one line, the reason in its manifest."""


def assign_roles(split: SplitFile, cell):
    """List the training, test and unlabelled subjects of a cell, with no patient in two roles.

    In a control split by slice no picture is in two roles; it lists parts of subjects (`control_splits.name_part`) if a
    subject has several slices.

    Parameters
    ----------
    split : SplitFile
    cell : dict

    Returns
    -------
    dict of str to list of str
        `train`, `test` and `unlabelled`.

    Raises
    ------
    UntrainableError
        If the split has no training for this cell.
    ValueError
        If the split was edited, or has a patient in two roles.
    """
    splits.verify_hash(split)
    splits.assert_disjoint(split)
    task = split["tasks"][cell["task"]]
    if not task["trainable"]:
        raise UntrainableError(task["reason"])
    dealt, n = splits.list_folds(task, cell["split"]), cell["n"]
    if cell["fold"] >= len(dealt):
        raise UntrainableError(f"{cell['split']} has {len(dealt)} folds: no fold {cell['fold']}")
    fold = dealt[cell["fold"]]
    if n != "all" and int(n) > len(fold["train"]):
        raise UntrainableError(f"n is {n}, but fold {cell['fold']} has {len(fold['train'])} training subjects")
    train = splits.training_subjects(split, cell["task"], cell["fold"], n, cell["seed"], cell["split"])
    roles = {"train": train, "test": list(fold["test"]), "unlabelled": list(task["unlabelled"])}
    both = set(train) & {*roles["test"], *roles["unlabelled"]}
    if not shares_patients(cell["split"]):
        owner = task["patients"]
        both |= {owner[s] for s in train} & {owner[s] for s in roles["test"]}
    if both:
        raise ValueError(f"{sorted(both)} are in training and test")
    return roles


def find_unlearnt(split: SplitFile, cell, roles):
    """List the network's sequences that every training subject of a cell lacks.

    A channel that was zero throughout training has untrained weights, so no scan may be passed through it.

    Parameters
    ----------
    split, cell
        As in `assign_roles`.
    roles : dict
        From `assign_roles`.

    Returns
    -------
    list of str

    Raises
    ------
    UntrainableError
        If a subject to predict has no other sequence.
    """
    task = split["tasks"][cell["task"]]
    lacking = {subject: set(lacks) for subject, lacks in task.get("incomplete", {}).items()}
    unlearnt = set.intersection(*(lacking.get(subject_of(name), set()) for name in roles["train"]))
    for subject in map(subject_of, roles["test"] + roles["unlabelled"]):
        if set(task["sequences"]) <= lacking.get(subject, set()) | unlearnt:
            raise UntrainableError(f"{subject} has no sequence that a training subject of fold {cell['fold']} has")
    return [name for name in task["sequences"] if name in unlearnt]


def share_target(split: SplitFile, cell, roles):
    """Divide the test patients so that none is predicted by a network adapted to their own images.

    The target of a cell is the test patients of its fold. They are divided by patient into two halves; each half is
    predicted by a network adapted to the images of the other half and of the unlabelled subjects. Unlabelled subjects
    are not scored; they are predicted by the first network, which has seen them, but for those whom their quality keeps
    out of training.

    Parameters
    ----------
    split, cell
        As in `assign_roles`.
    roles : dict
        From `assign_roles`.

    Returns
    -------
    list of dict
        `predicts` and `adapted_on`, lists of subjects; one round for each non-empty half.

    Raises
    ------
    UntrainableError
        If there are no images to adapt to.
    """
    task = split["tasks"][cell["task"]]
    owner = {**task["patients"], **{name: owner_of(task, name) for name in roles["test"]}}
    flagged = set(task["left_out"])
    patients = sorted({owner[subject] for subject in roles["test"]})
    rounds = []
    for half in (patients[::2], patients[1::2]):
        own = [subject for subject in roles["test"] if owner[subject] in half]
        others = [subject for subject in roles["test"] if owner[subject] not in half]
        # another scan of a patient in this half may be among the unlabelled
        seen = [subject for subject in roles["unlabelled"] if subject not in flagged]
        others += [subject for subject in seen if owner.get(subject, subject) not in half]
        if own and not others:
            who = "images of other test patients or of unlabelled subjects"
            raise UntrainableError(f"{cell['strategy']} adapts to {who}, and fold {cell['fold']} has neither")
        if own:
            rounds.append({"predicts": own, "adapted_on": others})
    return rounds


def choose_unlabelled(split: SplitFile):
    """List the subjects that may be used for pretraining: no cell tests a scan of their patients.

    They have no label in any task, nor has any other scan of their patient in a split. They have all sequences, so that
    reconstruction of a missing sequence is not learnt.

    Parameters
    ----------
    split : SplitFile

    Returns
    -------
    list of str
    """
    tasks = list(map_tasks(split).values())
    owner = {subject: patient for task in tasks for subject, patient in task["patients"].items()}
    labelled = {owner[subject] for task in tasks for subject in task["subjects"]}
    unlabelled = set.intersection(*(set(task["unlabelled"]) for task in tasks))
    incomplete = {subject for task in tasks for subject in task.get("incomplete", ())}
    incomplete |= {subject for task in tasks for subject in task["left_out"]}
    return sorted(subject for subject in unlabelled - incomplete if owner[subject] not in labelled)


def check_pretraining(split: SplitFile, roles, pretraining):
    """Refuse a source that could not be made, or that was trained on a test patient of the cell.

    Parameters
    ----------
    split : SplitFile
    roles : dict
        From `assign_roles`.
    pretraining : dict
        From `table.read_manifest`; empty for a source that was not made by the run.

    Raises
    ------
    UntrainableError
        If the source has no weights, with its reason.
    ValueError
        If a test subject's patient was used for pretraining, so that the subject is not unseen.
    """
    if pretraining and not pretraining["made"]:
        raise UntrainableError(pretraining["reason"])
    owner = {subject: patient for task in map_tasks(split).values() for subject, patient in task["patients"].items()}
    seen = {owner.get(subject, subject) for subject in pretraining.get("subjects", ())}
    both = sorted(subject for subject in map(subject_of, roles["test"]) if owner[subject] in seen)
    if both:
        raise ValueError(f"{pretraining['source']} was trained on scans of the patients of {both}, whom it would test")
