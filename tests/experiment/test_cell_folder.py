"""What lies in a cell's folder: written, read back, listed with its hash, and named in one module."""

import ast

import numpy as np
import pytest

from helpers.running import ROOT
from neurograft.core import tables
from neurograft.experiment import cell_folder


def test_the_list_of_cells_changes_with_what_they_predict_and_not_with_their_times(registered_case, tmp_path):
    folder, *_ = registered_case
    first = cell_folder.gather_cells([str(folder)])
    tables.write_table(tmp_path / "delivered.tsv", first)
    assert cell_folder.find_cells(tmp_path / "delivered.tsv") == [str(folder)]
    tables.write_table(folder / "seconds.tsv", [{"step": 1, "seconds": 2.5}])
    assert cell_folder.gather_cells([str(folder)]) == first
    (folder / "sub-Y.npz").write_bytes((folder / "sub-X.npz").read_bytes())
    assert cell_folder.gather_cells([str(folder)]) != first
    # a split without cells: a table without rows
    tables.write_table(tmp_path / "none.tsv", cell_folder.gather_cells([]), ["cell", "sha256"])
    assert cell_folder.find_cells(tmp_path / "none.tsv") == []


def read_texts(path):
    """Every text in a module's code, without docstrings."""
    tree = ast.parse(path.read_text())
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in prose)
    return {node.value for node in texts if isinstance(node.value, str)}


@pytest.mark.parametrize("room", ["experiment", "evaluation", "delivery"])
def test_no_other_module_names_a_file_of_a_cell(room):
    names = {cell_folder.MANIFEST, cell_folder.HISTORY, cell_folder.SECONDS, cell_folder.LAYERS, cell_folder.FEATURES}
    names |= {cell_folder.FIT, cell_folder.CANDIDATES, cell_folder.WEIGHTS, *cell_folder.CLASSES.values()}
    for path in (ROOT / "scripts/neurograft" / room).glob("*.py"):
        assert path.stem == "cell_folder" or not names & read_texts(path), path.name


def test_what_is_written_is_read_back(tmp_path):
    chances = {"WT": np.linspace(0, 1, 24).reshape(2, 3, 4), "TC": np.zeros((2, 3, 4))}
    cell_folder.write_prediction(tmp_path, "X", chances, [[1, 3], [2, 5], [0, 4]])
    packed = cell_folder.read_packed(tmp_path, "X")
    assert list(packed) == ["WT", "TC", "box"] and packed["WT"].dtype == np.uint8
    assert np.abs(packed["WT"] / 255 - chances["WT"]).max() < 0.5 / 255 + 1e-9
    assert cell_folder.has_prediction(tmp_path, "X") and not cell_folder.has_prediction(tmp_path, "Y")
    cell_folder.write_manifest(tmp_path, {"trained": True})
    history = [{"step": 1, "phase": 0, "loss": 0.5, "rate": 1e-3}, {"step": 2, "phase": 0, "loss": 0.25, "rate": 1e-3}]
    for steps, seconds in ((history, [0.5, 1.0]), ([], [3.25])):
        cell_folder.write_course(tmp_path, steps, seconds)
        cell = cell_folder.read_cell(tmp_path)
        assert [float(row["loss"]) for row in cell["history"]] == [row["loss"] for row in steps]
        assert [float(row["seconds"]) for row in cell_folder.read_seconds(tmp_path)] == seconds
    rows = [{"subject": "X", "slice": 3, "class": "a", "probability": 0.5, "truth": "a"}]
    cell_folder.write_classes(tmp_path, "test", rows)
    assert cell_folder.read_classes(tmp_path) == [{name: str(value) for name, value in rows[0].items()}]
    cell_folder.write_records(tmp_path, [], [], [{"subject": "X", "role": "test", "loss": 1.0, "dice": 0.5}], "dice")
    records = cell_folder.read_records(tmp_path)
    assert list(records) == ["layers", "features", "fit", "seconds"] and records["fit"][0]["dice"] == "0.5"
