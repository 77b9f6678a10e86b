"""What a cell's networks predict, as files, from networks whose answer is known."""

import json

import numpy as np
import pytest
import torch
from test_cells import cell, cohort, read_tsv  # noqa: F401 (cohort is a fixture)

from neurograft import packing, predictions


class Bright(torch.nn.Module):
    """Three regions: where the first channel exceeds 1, 2 and 3."""

    def forward(self, images):
        return torch.cat([20 * (images[:, :1] - level) for level in (1, 2, 3)], dim=1)


class Twos(torch.nn.Module):
    """A classifier that is three to one for the second class, whatever it sees."""

    def forward(self, images):
        return torch.tensor([[0.0, np.log(3)]]).repeat(len(images), 1)


def write(folder, made, task="segmentation", network=Bright, truths=None, **roles):
    slices, split = made
    opened = predictions.open_task(split, cell(task=task), slices, truths)
    roles = {"test": ["p0"], "unlabelled": []} | roles
    networks = dict.fromkeys((*roles["test"], *roles["unlabelled"]), network())
    predictions.write_predictions(folder, task, opened, networks, roles, threads=1)
    return opened


def test_each_region_is_a_byte_on_the_box(cohort, tmp_path):  # noqa: F811
    opened = write(tmp_path, cohort, unlabelled=["u0"])
    assert opened.outputs == ["WT", "TC", "ET"]
    for subject in ("p0", "u0"):
        folder = cohort[0][subject]
        first = (
            packing.PackedArray(folder / "images.zlib")[:][:, 1].astype(np.float32).transpose(1, 2, 0)
        )  # t1c leads the channels
        with np.load(tmp_path / f"sub-{subject}.npz") as packed:
            assert packed["box"].tolist() == json.loads((folder / "index.json").read_text())["box"]
            for level, region in enumerate(opened.outputs, start=1):
                expected = 255 / (1 + np.exp(-20 * (first.astype(float) - level)))
                # the network may run in a lower precision
                assert packed[region].dtype == np.uint8
                assert np.abs(packed[region] - expected)[np.abs(first - level) > 0.5].max() <= 1


def test_slices_have_their_number_on_the_grid_and_their_truth(cohort, tmp_path):  # noqa: F811
    write(tmp_path, cohort, "classification", Twos, unlabelled=["u0"])
    rows = read_tsv(tmp_path / "predictions.tsv")
    assert {row["subject"] for row in rows} == {"p0"}
    box = json.loads((cohort[0]["p0"] / "index.json").read_text())["box"][2]
    assert {int(row["slice"]) for row in rows} <= set(range(*box))
    chances = {row["class"]: float(row["probability"]) for row in rows}
    assert chances["tumour"] == pytest.approx(0.75, abs=1e-3) and chances["tumour-free"] == pytest.approx(
        0.25, abs=1e-3
    )
    with_tumour = {int(row["slice"]) - box[0] for row in rows if row["truth"] == "tumour"}
    assert with_tumour == {2, 3, 4}
    unlabelled = read_tsv(tmp_path / "predictions_unlabelled.tsv")
    assert {row["subject"] for row in unlabelled} == {"u0"} and {row["truth"] for row in unlabelled} == {""}


def test_a_class_of_patients_is_one_row_a_class(cohort, tmp_path):  # noqa: F811
    slices, split = cohort
    task = split["tasks"]["classification"] | {"target": "diagnosis", "classes": ["glioma", "metastasis"]}
    split = split | {"tasks": split["tasks"] | {"classification": task}}
    write(tmp_path, (slices, split), "classification", Twos, {"p0": "glioma"})
    rows = read_tsv(tmp_path / "predictions.tsv")
    assert [(row["slice"], row["class"], row["truth"]) for row in rows] == [
        ("", "glioma", "glioma"),
        ("", "metastasis", "glioma"),
    ]
    assert not (tmp_path / "predictions_unlabelled.tsv").exists()


def test_a_column_as_target_needs_the_answers(cohort):  # noqa: F811
    slices, split = cohort
    task = split["tasks"]["classification"] | {"target": "diagnosis"}
    with pytest.raises(ValueError, match="diagnosis"):
        predictions.open_task({"tasks": {"classification": task}}, {"task": "classification"}, slices, None)
