"""A control for pictures: how well a histogram alone, which knows no anatomy, tells the classes apart."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier

from neurograft.evaluation import scores

TREES = 100


def score_contrast(split, seen, truths, space):
    """Score classifiers of histograms, out of fold, on the folds of the networks.

    A random forest with balanced classes: it finds more in the quantiles than a logistic regression does
    (docs/explanation/decisions/pictures.md), and a control must not be weak.

    Parameters
    ----------
    split : dict
        `splits.json`.
    seen : dict of str to dict of str to ndarray, shape (Q,)
        Name of the control to subject to quantiles (`reading.read_histograms`).
    truths : dict of str to str
        Subject to class.
    space : str
        Of the networks that the control stands beside.

    Returns
    -------
    list of dict
        Rows as in `scores.tsv`, of each picture and of all together; `strategy` is the control's name, `source` is
        empty. None where nothing can be trained.
    """
    task = split["tasks"]["classification"]
    cell = {"task": "classification", "source": "", "space": space, "split": "folds", "n": "all", "seed": 0}
    rows, predicted = [], []
    for name, features in seen.items():
        for number, fold in enumerate(task["folds"] if task["trainable"] else []):
            one = cell | {"strategy": name, "fold": number}
            predicted.append((one, _predict_fold(fold, features, truths, task["classes"])))
            rows += scores.score_classification(*predicted[-1], task["classes"])
    return rows + scores.pool_classification(predicted, task["classes"])


def _predict_fold(fold, features, truths, classes):
    """Learn from a fold's training pictures and give a row a test picture and class."""
    forest = RandomForestClassifier(TREES, min_samples_leaf=2, class_weight="balanced", random_state=0)
    forest.fit(np.stack([features[name] for name in fold["train"]]), [truths[name] for name in fold["train"]])
    chances = forest.predict_proba(np.stack([features[name] for name in fold["test"]]))
    order = [forest.classes_.tolist().index(name) for name in classes]
    return [
        {"subject": subject, "slice": "", "class": name, "probability": float(chance), "truth": truths[subject]}
        for subject, row in zip(fold["test"], chances[:, order], strict=True)
        for name, chance in zip(classes, row, strict=True)
    ]
