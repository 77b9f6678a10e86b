"""A subject's pictures, from the files of a tiny real run on a simulated subject."""

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from neurograft import (
    candidates,
    delivery,
    derivatives,
    figures,
    guidance,
    images,
    intensity,
    phantom,
    pictures,
    registration,
)


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """The files and arguments that `draw_subject` gets, of a head with a tumour at 5 mm."""
    folder = tmp_path_factory.mktemp("run")
    scans, truth = phantom.simulate_subject(1, spacing=5.0)
    scans = {name: scans[name] for name in ("t1c", "flair", "labels")}
    masks = {name: images.resample_labels(truth["brain"], scans[name].shape, scans[name].affine, np.linalg.inv(move))
             for name, move in truth["motion"].items() if name in scans}  # fmt: skip
    grids = {name: {"file": name, "shape": scans[name].shape, "affine": scans[name].affine} for name in masks}
    status = {"layout": "phantom", "sequences": grids, "reference": "t1c", "scheme": "brats2018"}
    stem, space_stem = str(folder / "anat/sub-X"), str(folder / "anat/sub-X_space-own")
    derivatives.write_masks(stem, masks, status)
    registered, _ = registration.register_scans(scans, masks, "t1c", True, spacing=5.0)
    normalized, _ = intensity.normalize_intensity(registered)
    derivatives.write_normalized(space_stem, normalized)
    ranks, _, _, _ = candidates.propose_candidates(normalized, registered["brain"], segments=200)
    images.write_image(f"{space_stem}_desc-candidates_dseg.nii.gz", ranks)
    arguments = {"subject": "X", "status": status, "scans": scans, "registered": registered, "stem": stem}
    return arguments | {"space_stem": space_stem, "template": registered["brain"]}


def deliver(steps, labels, scheme="brats2018"):
    derivatives.write_delivered(steps["stem"], labels, {}, delivery.dseg_table(scheme) if labels else [])


def draw(folder, steps, monkeypatch, **changes):
    """Draw for real, and give the words in each picture too."""
    words, save = {}, figures.save_figure

    def save_and_read(figure, path):
        words[path.stem] = " | ".join(text.get_text() for text in figure.findobj(Text))
        save(figure, path)

    monkeypatch.setattr(figures, "save_figure", save_and_read)
    pictures.draw_subject(folder, **(steps | changes))
    return words


def test_the_promised_pictures_are_written_and_can_be_opened_and_are_the_same_again(steps, tmp_path, monkeypatch):
    deliver(steps, steps["scans"]["labels"])
    words = draw(tmp_path / "pictures", steps, monkeypatch)
    found = {path.stem: path for path in (tmp_path / "pictures").iterdir()}
    assert set(found) == set(guidance.PICTURES) == set(words)
    for path in found.values():
        assert path.suffix == ".png" and path.stat().st_size <= 150_000
        shown = np.asarray(Image.open(path).convert("L"))
        assert min(shown.shape) > 200 and len(np.unique(shown)) > 10
    assert all("sub-X" in text and "SIMULATED" in text for text in words.values())
    assert "labelled" in words["segmentation"] and "Dice 1.00" in words["segmentation"]
    assert "tumour, as labelled" in words["candidates"] and "rank 1" in words["candidates"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    pictures.draw_subject(tmp_path / "again", **steps)
    assert all((tmp_path / "again" / path.name).read_bytes() == path.read_bytes() for path in found.values())


def test_without_a_delivery_an_older_picture_of_it_goes(steps, tmp_path, monkeypatch):
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures/segmentation.png").write_bytes(b"old")
    deliver(steps, None)
    real = steps["status"] | {"layout": "brats"}
    words = draw(tmp_path / "pictures", steps, monkeypatch, status=real)
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == {"quality", "candidates"} == set(words)
    assert not any("SIMULATED" in text for text in words.values())


def test_a_patient_without_labels_or_template_is_drawn(steps, tmp_path, monkeypatch):
    deliver(steps, steps["scans"]["labels"])
    scans, registered = ({name: one for name, one in steps[key].items() if name != "labels"}
                         for key in ("scans", "registered"))  # fmt: skip
    words = draw(tmp_path / "p", steps, monkeypatch, scans=scans, registered=registered, template=None)
    assert "bare image" in words["segmentation"] and "labelled" not in words["segmentation"]
    assert "labelled" not in words["candidates"] and "template" not in words["quality"]


def test_the_legend_names_the_delivered_tissues(steps, tmp_path, monkeypatch):
    labels = steps["scans"]["labels"]
    whole = images.image(np.asanyarray(labels.dataobj) > 0, labels.affine)
    deliver(steps, whole, "binary")
    words = draw(tmp_path / "p", steps, monkeypatch)["segmentation"]
    assert "tumour" in words.split(" | ") and not {"necrosis", "background"} & set(words.split(" | "))


def test_labels_of_another_place_are_moved_before_they_are_compared(steps, tmp_path, monkeypatch):
    """A grid of the same size may lie elsewhere: voxels alone must not be compared."""
    labels = steps["scans"]["labels"]
    deliver(steps, labels)
    data = np.roll(np.asanyarray(labels.dataobj), 3, axis=0)
    affine = labels.affine.copy()
    affine[:3, 3] -= 3 * affine[:3, 0]
    moved = steps["scans"] | {"labels": images.image(data, affine)}
    assert "Dice 1.00" in draw(tmp_path / "p", steps, monkeypatch, scans=moved)["segmentation"]
