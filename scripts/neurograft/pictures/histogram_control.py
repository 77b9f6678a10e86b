"""A control for pictures: how well a histogram alone, without any anatomy, distinguishes the classes."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from neurograft.core.split_file import map_repeats
from neurograft.evaluation import scores
from neurograft.evaluation.records import Prediction

TREES = 100


def score_contrast(split, histograms, truths, space):
    """Score classifiers of histograms, out of fold, on the folds of the networks.

    They are random forests with balanced classes, which find more in the quantiles than a logistic regression does
    (docs/explanation/decisions/pictures.md). A control must not be weak.

    Parameters
    ----------
    split : dict
        `splits.json`.
    histograms : dict of str to dict of str to ndarray, shape (Q,)
        Name of the control to subject to quantiles (`reading.read_histograms`).
    truths : dict of str to str
        Subject to class.
    space : str
        Space of the networks with which the control is compared.

    Returns
    -------
    list of dict
        Rows as in `scores.tsv`, of each picture and of all together; `strategy` is the name of the control, and
        `source` is empty. No rows if nothing can be trained.
    """
    task = split["tasks"]["classification"]
    cell = {"task": "classification", "source": "", "space": space, "split": "folds", "n": "all", "seed": 0}
    rows, predicted = [], []
    for name, features in histograms.items():
        for number, fold in enumerate(task["folds"] if task["trainable"] else []):
            fold_cell = cell | {"strategy": name, "fold": number}
            predictions = _predict_fold(fold, features, truths, task["classes"])
            predicted.append((fold_cell, predictions))
            rows += scores.score_classification(fold_cell, predictions, task["classes"])
    return rows + scores.pool_classification(predicted, task["classes"], map_repeats(task))


def _predict_fold(fold, features, truths, classes) -> list[Prediction]:
    """Learn from the training pictures of a fold, and return a row for each test picture and class."""
    forest = RandomForestClassifier(TREES, min_samples_leaf=2, class_weight="balanced", random_state=0)
    forest.fit(np.stack([features[name] for name in fold["train"]]), [truths[name] for name in fold["train"]])
    chances = np.asarray(forest.predict_proba(np.stack([features[name] for name in fold["test"]])))
    order = [np.asarray(forest.classes_).tolist().index(name) for name in classes]
    return [
        {"subject": subject, "slice": "", "class": name, "probability": float(chance), "truth": truths[subject]}
        for subject, row in zip(fold["test"], chances[:, order], strict=True)
        for name, chance in zip(classes, row, strict=True)
    ]
