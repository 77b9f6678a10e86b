"""What evaluation reads of a cell and of the tables before it, as typed rows; apart, for every module here needs it."""

from pathlib import Path
from typing import NotRequired, TypedDict, cast

from neurograft.core.cells import Cell, CellManifest
from neurograft.core.files import read_json
from neurograft.core.tables import read_typed_table


class ScoreRow(Cell):
    """A row of `scores.tsv`: one metric of one region of one subject; of the whole cohort without a subject."""

    subject: str
    region: str
    metric: str
    value: float


# a row of `predictions.tsv`: one class of one unit, which is a slice or, where `slice` is empty, the patient
Prediction = TypedDict("Prediction", {"subject": str, "slice": str, "class": str, "probability": float, "truth": str})


class HistoryRow(TypedDict):
    """A row of `history.tsv`: one step of training."""

    step: int
    train_dice: NotRequired[float]  # of segmentation, on the step's batch


class SecondsRow(TypedDict):
    """A row of `seconds.tsv`: the time since the start of training."""

    step: int
    seconds: float


class FitRow(TypedDict):
    """A row of `fit.tsv`: how well the trained network fits one subject."""

    subject: str
    role: str  # "train" or "test"
    loss: float
    dice: NotRequired[float]  # of segmentation
    accuracy: NotRequired[float]  # of classification


class LayerRow(TypedDict):
    """A row of `layers.tsv`: how far training moved one layer."""

    layer: str
    stage: str  # empty behind the encoder
    part: str
    values: int
    trained: bool
    change: float
    statistics_change: float


class FeatureRow(TypedDict):
    """A row of `features.tsv`: how alike one stage's features are before and after training."""

    stage: str
    samples: int
    cka: float


class TrainedCell(CellManifest):
    """A cell that was trained: its manifest and the tables beside it."""

    history: list[HistoryRow]
    seconds: list[float]  # since the start, at each row of the history
    layers: list[LayerRow]
    features: list[FeatureRow]
    fit: list[FitRow]


def read_manifest(folder: str | Path) -> CellManifest:
    """Read a cell's manifest."""
    return cast(CellManifest, read_json(Path(folder) / "manifest.json"))


def read_predictions(folder: str | Path) -> list[Prediction]:
    """Read what a cell of classification predicted for its test patients."""
    return read_typed_table(Path(folder) / "predictions.tsv", Prediction)


def read_history(folder: str | Path) -> list[HistoryRow]:
    """Read the steps of a cell's training."""
    return read_typed_table(Path(folder) / "history.tsv", HistoryRow)


def read_seconds(folder: str | Path) -> list[float]:
    """Read the time since the start of a cell's training at each row of its history."""
    return [row["seconds"] for row in read_typed_table(Path(folder) / "seconds.tsv", SecondsRow)]


def read_trained_cell(folder: str | Path) -> TrainedCell | None:
    """Read a cell's manifest and tables; None for a cell that could not be trained."""
    manifest = read_manifest(folder)
    if not manifest["trained"]:
        return None
    return {
        **manifest,
        "history": read_history(folder),
        "seconds": read_seconds(folder),
        "layers": read_typed_table(Path(folder) / "layers.tsv", LayerRow),
        "features": read_typed_table(Path(folder) / "features.tsv", FeatureRow),
        "fit": read_typed_table(Path(folder) / "fit.tsv", FitRow),
    }
