"""Pictures of a subject: complete, small, and alive on strange data."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.text import Text
from PIL import Image

from neurograft import figures, images

REAL = Path(__file__).parents[2] / "shared/data/brats18/Brats18_CBICA_ABM_1"


def head(shape=(40, 48, 36), sizes=(1, 1, 1), seed=0, fill=None):
    """Give a noisy ball as an image."""
    rng = np.random.default_rng(seed)
    spots = np.indices(shape).reshape(3, -1).T / (np.array(shape) - 1) - 0.5
    ball = ((spots**2).sum(axis=1) < 0.2).reshape(shape)
    data = np.where(ball, 100 + rng.normal(0, 20, shape), 0) if fill is None else np.full(shape, fill, float)
    return images.image(data.astype(np.float32), np.diag([*sizes, 1]))


def mask_of(scan):
    return images.image(np.asanyarray(scan.dataobj) > 0, scan.affine)


def blob(scan, spot, value=1, half=4):
    data = np.zeros(scan.shape, np.uint8)
    data[tuple(slice(max(0, at - half), at + half) for at in spot)] = value
    return images.image(data, scan.affine)


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def test_quality_has_a_row_a_sequence_and_the_template():
    scans = {name: head(seed=i) for i, name in enumerate(("t1", "flair"))}
    masks = {name: mask_of(scan) for name, scan in scans.items()}
    figure = figures.draw_quality(scans, masks, scans | {"brain": masks["t1"]}, scans["t1"], "sub-X", simulated=True)
    assert len(figure.axes) == 4 + 4 + 4 + 2
    assert any("SIMULATED" in text for text in words(figure)) and any("template" in text for text in words(figure))


def test_segmentation_says_how_much_and_how_alike():
    scan = head()
    truth, predicted = blob(scan, (20, 24, 10)), blob(scan, (22, 24, 10))
    figure = figures.draw_segmentation(scan, predicted, truth, {"tumour": 1}, "sub-X")
    title = next(text for text in words(figure) if "sub-X" in text)
    assert "delivered 0.5 ml, labelled 0.5 ml" in title and "Dice 0.75" in title


@pytest.mark.parametrize("fill", [None, 0, 7, np.nan])
def test_strange_data_still_give_pictures(tmp_path, fill):
    scan = head(fill=fill)
    empty = images.image(np.zeros(scan.shape, np.uint8), scan.affine)
    drawn = [
        figures.draw_quality({"t1": scan}, {"t1": empty}),
        figures.draw_quality({"t1": scan}, {}, {"t1": scan, "brain": empty}, empty),
        figures.draw_quality({}, {}),
        figures.draw_defaced({"t1": (scan, np.ones(scan.shape, bool))}),
        figures.draw_defaced({}),
        figures.draw_candidates({"t1": scan}, empty),
        figures.draw_candidates({"flair": scan}, blob(scan, (9, 9, 9), 3), empty),
        figures.draw_segmentation(scan, empty),
        figures.draw_segmentation(scan, empty, empty, {"tumour": 1}),
    ]
    for number, figure in enumerate(drawn):
        figures.save_figure(figure, tmp_path / f"{number}.png")
        assert Image.open(tmp_path / f"{number}.png").size[0] > 100


def test_a_picture_stays_small_and_keeps_its_colours(tmp_path):
    shape = (180, 200, 160)
    scan = images.image(np.random.default_rng(0).normal(100, 30, shape).astype(np.float32), np.eye(4))
    predicted = blob(scan, (90, 100, 80), 4, 30)
    figure = figures.draw_segmentation(scan, predicted, blob(scan, (95, 100, 80), 1, 30))
    figures.save_figure(figure, tmp_path / "s.png")
    assert (tmp_path / "s.png").stat().st_size <= 150_000
    pixels = np.asarray(Image.open(tmp_path / "s.png").convert("RGB")).reshape(-1, 3).astype(int)
    for colour in (figures.ORANGE, figures.YELLOW, figures.SKY, figures.VERMILION):
        wanted = 255 * np.array(colors.to_rgb(colour))
        assert (np.abs(pixels - wanted).max(axis=1) < 40).any(), colour


def test_a_killed_job_leaves_no_picture(tmp_path):
    class Broken:
        def get_facecolor(self):
            return "black"

        def savefig(self, *args, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        figures.save_figure(Broken(), tmp_path / "q.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL}")
def test_a_real_patient(tmp_path):
    scan = images.read_image(REAL / f"{REAL.name}_t1ce.nii.gz")
    truth = images.read_image(REAL / f"{REAL.name}_seg.nii.gz")
    figure = figures.draw_segmentation(scan, truth, truth)
    assert "whole-tumour Dice 1.00" in " ".join(words(figure))
    figures.save_figure(figure, tmp_path / "s.png")
    assert 40_000 < (tmp_path / "s.png").stat().st_size <= 150_000
