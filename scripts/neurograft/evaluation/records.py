"""Typed rows of the cell files and tables that evaluation reads; a separate module, since all others here need it."""

from pathlib import Path
from typing import Any, NotRequired, TypedDict

from neurograft.core.cells import Cell, CellManifest
from neurograft.core.tables import parse_rows
from neurograft.experiment import cell_folder


class ScoreRow(Cell):
    """A row of `scores.tsv`: one metric of one region of one subject; without a subject, of the whole cohort."""

    subject: str
    region: str
    metric: str
    value: float


class BudgetScore(ScoreRow):
    """A score at a budget: the share of the training's steps, 1 for the finished network."""

    budget: float


class BudgetRow(TypedDict):
    """A row of `budgets.tsv`: a budget below 1 at which a training was cut."""

    share: float
    steps: int
    seconds: float


class ProcessorRow(TypedDict):
    """A row of `processor.tsv`: processor seconds of training until a budget, and of predicting the test subjects."""

    share: float  # of the steps
    training: float
    prediction: float


# a row of `predictions.tsv`: one class of one unit, which is a slice or, if `slice` is empty, the patient
Prediction = TypedDict("Prediction", {"subject": str, "slice": str, "class": str, "probability": float, "truth": str})


class HistoryRow(TypedDict):
    """A row of `history.tsv`: one step of training."""

    step: int
    train_dice: NotRequired[float]  # segmentation only, on the step's batch


class SecondsRow(TypedDict):
    """A row of `seconds.tsv`: the time since the start of training."""

    step: int
    seconds: float


class FitRow(TypedDict):
    """A row of `fit.tsv`: how well the trained network fits one subject."""

    subject: str
    role: str  # "train" or "test"
    loss: float
    dice: NotRequired[float]  # segmentation only
    accuracy: NotRequired[float]  # classification only


class LayerRow(TypedDict):
    """A row of `layers.tsv`: how far training moved one layer."""

    layer: str
    stage: str  # empty after the encoder
    part: str
    values: int
    trained: bool
    change: float
    statistics_change: float


class FeatureRow(TypedDict):
    """A row of `features.tsv`: similarity (CKA) of one stage's features before and after training."""

    stage: str
    samples: int
    cka: float


class TrainedCell(CellManifest):
    """A cell that was trained: its manifest and the tables beside it."""

    history: list[HistoryRow]
    seconds: list[float]  # since the start, at each row of the history
    budgets: list[BudgetRow]
    processor: list[ProcessorRow]  # none without networks
    layers: list[LayerRow]
    features: list[FeatureRow]
    fit: list[FitRow]


# the module that reads and writes cell files; its functions return rows of text
_CELL_FOLDER: Any = cell_folder


def read_manifest(folder: str | Path) -> CellManifest:
    """Read a cell's manifest."""
    return _CELL_FOLDER.read_manifest(folder)


def read_predictions(folder: str | Path) -> list[Prediction]:
    """Read the predictions of a classification cell for its test patients."""
    return parse_rows(_CELL_FOLDER.read_classes(folder), Prediction)


def read_history(folder: str | Path) -> list[HistoryRow]:
    """Read the steps of a cell's training."""
    return parse_rows(_CELL_FOLDER.read_cell(folder)["history"], HistoryRow)


def read_seconds(folder: str | Path) -> list[float]:
    """Read the time since the start of a cell's training at each row of its history."""
    return [row["seconds"] for row in parse_rows(_CELL_FOLDER.read_seconds(folder), SecondsRow)]


def read_budgets(folder: str | Path) -> list[BudgetRow]:
    """Read the budgets below 1 at which a cell's training was cut."""
    return parse_rows(_CELL_FOLDER.read_budgets(folder), BudgetRow)


def read_trained_cell(folder: str | Path) -> TrainedCell | None:
    """Read a cell's manifest and tables; None for a cell that could not be trained."""
    manifest = read_manifest(folder)
    if not manifest["trained"]:
        return None
    records = _CELL_FOLDER.read_records(folder)
    return {
        **manifest,
        "history": read_history(folder),
        "seconds": [row["seconds"] for row in parse_rows(records["seconds"], SecondsRow)],
        "budgets": read_budgets(folder),
        "processor": parse_rows(_CELL_FOLDER.read_processor(folder), ProcessorRow),
        "layers": parse_rows(records["layers"], LayerRow),
        "features": parse_rows(records["features"], FeatureRow),
        "fit": parse_rows(records["fit"], FitRow),
    }
