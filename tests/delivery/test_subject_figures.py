"""Pictures of a subject: complete, small, and alive on strange data."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colors
from matplotlib.text import Text
from PIL import Image

from helpers.fake_run import EVIL
from neurograft.candidates import proposal
from neurograft.delivery import native_grid, subject_figures
from neurograft.imaging import derivatives, nifti, resampling
from neurograft.preprocessing import intensity, registration
from neurograft.report import guidance
from neurograft.simulation import subjects

REAL = Path(__file__).parents[3] / "shared/data/brats18/Brats18_CBICA_ABM_1"


def head(shape=(40, 48, 36), sizes=(1, 1, 1), seed=0, fill=None):
    """Give a noisy ball as an image."""
    rng = np.random.default_rng(seed)
    spots = np.indices(shape).reshape(3, -1).T / (np.array(shape) - 1) - 0.5
    ball = ((spots**2).sum(axis=1) < 0.2).reshape(shape)
    data = np.where(ball, 100 + rng.normal(0, 20, shape), 0) if fill is None else np.full(shape, fill, float)
    return nifti.image(data.astype(np.float32), np.diag([*sizes, 1]))


def mask_of(scan):
    return nifti.image(np.asanyarray(scan.dataobj) > 0, scan.affine)


def blob(scan, spot, value=1, half=4):
    data = np.zeros(scan.shape, np.uint8)
    data[tuple(slice(max(0, at - half), at + half) for at in spot)] = value
    return nifti.image(data, scan.affine)


def words(figure):
    return [text.get_text() for text in figure.findobj(Text)]


def test_quality_has_a_row_a_sequence_and_the_template():
    scans = {name: head(seed=i) for i, name in enumerate(("t1", "flair"))}
    masks = {name: mask_of(scan) for name, scan in scans.items()}
    figure = subject_figures.draw_quality(
        scans, masks, scans | {"brain": masks["t1"]}, scans["t1"], "sub-X", simulated=True
    )
    assert len(figure.axes) == 4 + 4 + 4 + 2
    assert any("SIMULATED" in text for text in words(figure)) and any("template" in text for text in words(figure))


def test_quality_shows_where_two_opinions_differ():
    scan = head()
    differ = blob(scan, (12, 24, 18), 2)
    figure = subject_figures.draw_quality({"t1": scan}, {"t1": mask_of(scan)}, disagreement={"t1": differ})
    assert any("second opinion" in text for text in words(figure))
    shades = [shown.get_array() for axes in figure.axes for shown in axes.images[1:]]
    assert any((shade[..., :3] == colors.to_rgb(subject_figures.OPINIONS[2])).all(axis=-1).any() for shade in shades)


def test_segmentation_says_how_much_and_how_alike():
    scan = head()
    truth, predicted = blob(scan, (20, 24, 10)), blob(scan, (22, 24, 10))
    figure = subject_figures.draw_segmentation(scan, predicted, truth, {"tumour": 1}, "sub-X")
    title = next(text for text in words(figure) if "sub-X" in text)
    assert "delivered 0.5 ml, labelled 0.5 ml" in title and "Dice 0.75" in title


@pytest.mark.parametrize("fill", [None, 0, 7, np.nan])
def test_strange_data_still_give_pictures(tmp_path, fill):
    scan = head(fill=fill)
    empty = nifti.image(np.zeros(scan.shape, np.uint8), scan.affine)
    drawn = [
        subject_figures.draw_quality({"t1": scan}, {"t1": empty}),
        subject_figures.draw_quality({"t1": scan}, {}, {"t1": scan, "brain": empty}, empty),
        subject_figures.draw_quality({}, {}),
        subject_figures.draw_defaced({"t1": (scan, np.ones(scan.shape, bool))}),
        subject_figures.draw_defaced({}),
        subject_figures.draw_candidates({"t1": scan}, empty),
        subject_figures.draw_candidates({"flair": scan}, blob(scan, (9, 9, 9), 3), empty),
        subject_figures.draw_segmentation(scan, empty),
        subject_figures.draw_segmentation(scan, empty, empty, {"tumour": 1}),
    ]
    for number, figure in enumerate(drawn):
        subject_figures.save_figure(figure, tmp_path / f"{number}.png")
        assert Image.open(tmp_path / f"{number}.png").size[0] > 100


def test_a_picture_stays_small_and_keeps_its_colours(tmp_path):
    shape = (180, 200, 160)
    scan = nifti.image(np.random.default_rng(0).normal(100, 30, shape).astype(np.float32), np.eye(4))
    predicted = blob(scan, (90, 100, 80), 4, 30)
    figure = subject_figures.draw_segmentation(scan, predicted, blob(scan, (95, 100, 80), 1, 30))
    subject_figures.save_figure(figure, tmp_path / "s.png")
    assert (tmp_path / "s.png").stat().st_size <= 150_000
    pixels = np.asarray(Image.open(tmp_path / "s.png").convert("RGB")).reshape(-1, 3).astype(int)
    for colour in (subject_figures.ORANGE, subject_figures.YELLOW, subject_figures.SKY, subject_figures.VERMILION):
        wanted = 255 * np.array(colors.to_rgb(colour))
        assert (np.abs(pixels - wanted).max(axis=1) < 40).any(), colour


def test_a_killed_job_leaves_no_picture(tmp_path):
    class Broken:
        def get_facecolor(self):
            return "black"

        def savefig(self, *args, **kwargs):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        subject_figures.save_figure(Broken(), tmp_path / "q.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not REAL.exists(), reason=f"needs {REAL}")
def test_a_real_patient(tmp_path):
    scan = nifti.read_image(REAL / f"{REAL.name}_t1ce.nii.gz")
    truth = nifti.read_image(REAL / f"{REAL.name}_seg.nii.gz")
    figure = subject_figures.draw_segmentation(scan, truth, truth)
    assert "whole-tumour Dice 1.00" in " ".join(words(figure))
    subject_figures.save_figure(figure, tmp_path / "s.png")
    assert 40_000 < (tmp_path / "s.png").stat().st_size <= 150_000


ONE = (1.0, 1.0, 1.0)


def laid(*rows, title="", simulated=False):
    """Lay rows out and draw them; what cannot be drawn fails here."""
    figure = subject_figures.lay_out(list(rows), title, simulated, [])
    figure.savefig(io.BytesIO(), format="png", dpi=40)
    return figure


def letters(axes):
    """Give the letters at a panel's sides, from left to right."""
    return [text.get_text() for text in sorted(axes.texts, key=lambda text: text.get_position()[0])]


def corner_volume():
    """Give a volume whose only bright voxel is the patient's right, front and top one."""
    volume = np.zeros((5, 6, 7))
    volume[4, 5, 6] = 1
    return volume


def test_slices_are_radiological():
    views = [(subject_figures.AXIAL, 6), (subject_figures.CORONAL, 5), (subject_figures.SAGITTAL, 4)]
    axial, coronal, sagittal = laid(("", corner_volume(), ONE, views, [])).axes
    for axes, shape in ((axial, (6, 5)), (coronal, (7, 5)), (sagittal, (7, 6))):
        shown = axes.images[0].get_array()
        # the patient's right (or front) is on the left of the picture, the front (or top) is up
        assert shown.shape == shape and axes.images[0].origin == "lower"
        assert shown[-1, 0] == 1 and shown.sum() == 1
    assert letters(axial) == letters(coronal) == ["R", "L"] and letters(sagittal) == ["A", "P"]


def test_panels_have_the_proportions_of_the_body():
    axial, coronal, sagittal = laid(
        (
            "",
            np.ones((10, 20, 4)),
            (1, 2, 5),
            [(subject_figures.AXIAL, 0), (subject_figures.CORONAL, 0), (subject_figures.SAGITTAL, 0)],
            [],
        )
    ).axes
    for axes, width, height in ((axial, 10, 40), (coronal, 10, 20), (sagittal, 40, 20)):
        assert axes.images[0].get_extent() == [0, width, 0, height] and axes.get_aspect() == 1
        assert (np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())) == (width, height)


def test_a_line_follows_the_edge_a_fill_its_values_and_a_number_its_area():
    data, mask = np.ones((20, 30, 3)), np.zeros((20, 30, 3), bool)
    mask[4:8, 10:20] = True
    layers = [("line", mask, "#F0E442"), ("fill", mask * 2, {2: "#D55E00", 3: "red"}), ("number", mask * 7, None)]
    axes = laid(("", data, (2, 1, 1), [(subject_figures.AXIAL, 1)], layers)).axes[0]
    edge = np.concatenate([path.vertices for line in axes.collections for path in line.get_paths()])
    # 20 voxels of 2 mm, mirrored: voxels 4 to 7 lie 24 to 32 mm from the left
    assert (edge[:, 0].min(), edge[:, 0].max()) == pytest.approx((24, 32), abs=1)
    assert (edge[:, 1].min(), edge[:, 1].max()) == pytest.approx((10, 20), abs=1)
    shade, other = (image.get_array() for image in axes.images[1:])
    assert np.argwhere(shade[..., 3]).tolist() == [[y, x] for y in range(10, 20) for x in range(12, 16)]
    assert np.allclose(shade[10, 12], colors.to_rgba("#D55E00", subject_figures.FILL)) and not other.any()
    rank = next(text for text in axes.texts if text.get_text() == "7")
    assert 24 < rank.get_position()[0] < 32 and 10 < rank.get_position()[1] < 20


def test_a_view_may_bring_its_own_data_and_title():
    own = np.full((4, 4, 4), 9.0)
    plain, other = laid(
        ("label", np.ones((4, 4, 4)), ONE, [(subject_figures.AXIAL, 0), (subject_figures.AXIAL, 0, own, "T2")], [])
    ).axes
    assert other.images[0].get_array().max() == 9 and plain.images[0].get_array().max() == 1
    assert other.get_title(loc="left") == "T2" and (plain.get_ylabel(), other.get_ylabel()) == ("label", "")


def test_simulated_is_written_into_the_picture():
    for simulated in (True, False):
        figure = laid(
            ("", np.ones((4, 4, 4)), ONE, [(subject_figures.AXIAL, 0)], []), title="sub-X", simulated=simulated
        )
        title = figure.get_suptitle()
        assert title.startswith("sub-X") and ("SIMULATED" in title) == simulated


@pytest.mark.parametrize("words", [EVIL, "a $\\frac{$ b", "$x_1$", "é\n%s"])
def test_any_text_is_shown_as_it_is(words):
    figure = laid(
        (words, np.ones((4, 4, 4)), ONE, [(subject_figures.AXIAL, 0, np.ones((4, 4, 4)), words)], []), title=words
    )
    assert [text.get_text() for text in figure.findobj(Text)].count(words) == 3
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if text.get_text() == words)


def test_no_rows_still_give_a_picture():
    assert laid(title="empty").get_suptitle() == "empty"


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 9, 9), (9, 9, 1)])
@pytest.mark.parametrize("fill", [0.0, 7.0, -3.0, np.nan, np.inf])
def test_strange_volumes_are_drawn(shape, fill):
    scan = nifti.image(np.full(shape, fill, np.float32), np.eye(4))
    data, _, sizes = subject_figures.crop_head(scan)
    nothing, everything = np.zeros(data.shape, bool), np.ones(data.shape, bool)
    views = [
        *(subject_figures.choose_evenly(nothing) * 2)[-2:],
        *(subject_figures.choose_by_weight(nothing, data, sizes) * 2)[-2:],
    ]
    layers = [(kind, inside, look) for inside in (nothing, everything)
              for kind, look in (("line", "red"), ("fill", {1: "red"}), ("number", None))]  # fmt: skip
    figure = laid(("", data, sizes, views, layers))
    assert len(figure.axes) == 4 and all(np.isfinite(axes.images[0].get_clim()).all() for axes in figure.axes)


def test_odd_numbers_become_zero_and_the_others_stay():
    data = np.array([[[1.5, np.nan, -np.inf, np.inf, 4]]], np.float32)
    assert subject_figures.read_finite(nifti.image(data, np.eye(4))).tolist() == [[[1.5, 0, 0, 0, 4]]]


def test_the_crop_keeps_the_head_with_a_margin_and_the_true_voxel_sizes():
    data = np.zeros((30, 30, 30), np.float32)
    data[10:20, 5:25, 8:12] = 100
    data[0, 0, 0] = 5  # noise of the background
    cropped, cut, sizes = subject_figures.crop_head(nifti.image(data, np.diag([-2, 1, 3, 1])))
    assert [(part.start, part.stop) for part in cut] == [(8, 22), (3, 27), (6, 14)]
    assert np.array_equal(cropped, data[cut]) and sizes.tolist() == [2, 1, 3]
    whole, _, _ = subject_figures.crop_head(nifti.image(data * 0, np.eye(4)))
    assert whole.shape == data.shape


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(0, 9), st.integers(0, 29)), max_size=4))
def test_even_views_lie_inside_the_mask(spots):
    mask = np.zeros((9, 10, 30), bool)
    for spot in spots:
        mask[spot] = True
    *axial, side = subject_figures.choose_evenly(mask)
    box = resampling.grid_box(mask if spots else ~mask)
    assert [axis for axis, _ in axial] == [subject_figures.AXIAL] * 3 and side[0] == subject_figures.SAGITTAL
    assert all(box[2].start <= index < box[2].stop for _, index in axial) and box[0].start <= side[1] < box[0].stop
    assert [index for _, index in axial] == sorted(index for _, index in axial)


def test_the_slices_with_most_weight_are_shown_8_mm_apart():
    weight = np.zeros((10, 12, 40), int)
    weight[3, 7, [5, 6, 11, 20, 22, 30, 38]] = [9, 10, 8, 7, 6, 5, 4]
    chosen = subject_figures.choose_by_weight(weight, weight, (1, 1, 2.0))  # 8 mm are 4 slices
    assert chosen == [
        (subject_figures.AXIAL, 6),
        (subject_figures.AXIAL, 11),
        (subject_figures.AXIAL, 20),
        (subject_figures.CORONAL, 7),
    ]
    assert subject_figures.choose_by_weight(weight, weight, ONE)[:-1] == [
        (subject_figures.AXIAL, 6),
        (subject_figures.AXIAL, 20),
        (subject_figures.AXIAL, 30),
    ]
    weight[..., :38] = 0
    assert subject_figures.choose_by_weight(weight, weight, ONE)[:-1] == [(subject_figures.AXIAL, 38)]


def test_of_a_flat_stack_only_axial_slices_are_shown():
    mask, sizes = np.ones((30, 40, 7), bool), (1, 1, 1)
    assert [index for _, index in subject_figures.choose_evenly(mask, sizes)] == [0, 2, 4, 6]
    weight = np.zeros(mask.shape, int)
    weight[3, 7, [1, 2, 4]] = [9, 8, 7]
    chosen = subject_figures.choose_by_weight(weight, weight, sizes)
    assert chosen == [(subject_figures.AXIAL, 1), (subject_figures.AXIAL, 2), (subject_figures.AXIAL, 4)]
    one = mask[..., :1]
    assert subject_figures.choose_by_weight(one * 0, one, sizes) == [(subject_figures.AXIAL, 0)]
    # thick slices of a head are no flat stack
    assert subject_figures.choose_evenly(mask, (1, 1, 5))[-1][0] == subject_figures.SAGITTAL


def test_without_weight_the_views_are_even():
    data = np.ones((10, 12, 40))
    assert subject_figures.choose_by_weight(data * 0, data, ONE) == [
        *subject_figures.choose_evenly(data > 0)[:3],
        (subject_figures.CORONAL, 6),
    ]


@pytest.fixture(scope="module")
def steps(tmp_path_factory):
    """The files and arguments that `draw_subject` gets, of a head with a tumour at 5 mm."""
    folder = tmp_path_factory.mktemp("run")
    scans, truth = subjects.simulate_subject(1, spacing=5.0)
    scans = {name: scans[name] for name in ("t1c", "flair", "labels")}
    masks = {
        name: resampling.resample_labels(truth["brain"], scans[name].shape, scans[name].affine, np.linalg.inv(move))
        for name, move in truth["motion"].items()
        if name in scans
    }
    grids = {name: {"file": name, "shape": scans[name].shape, "affine": scans[name].affine} for name in masks}
    status = {"subject": "X", "layout": "phantom", "sequences": grids, "reference": "t1c", "scheme": "brats2018"}
    stem, space_stem = str(folder / "anat/sub-X"), str(folder / "anat/sub-X_space-own")
    derivatives.write_masks(stem, masks, status)
    registered, _ = registration.register_scans(
        scans, masks, registration.PriorAlignment("t1c", True), options=registration.RegistrationOptions(spacing=5.0)
    )
    normalized, record = intensity.normalize_intensity(registered)
    derivatives.write_normalized(space_stem, normalized, record)
    ranks, _, _, _ = proposal.propose_candidates(
        normalized, registered["brain"], options=proposal.ProposalOptions(segments=200)
    )
    nifti.write_image(derivatives.candidates_file(space_stem), ranks)
    arguments = {"status": status, "scans": scans, "registered": registered, "stem": stem}
    return arguments | {"space_stem": space_stem, "template": registered["brain"]}


def deliver(steps, labels, scheme="brats2018"):
    derivatives.write_delivered(steps["stem"], labels, {}, native_grid.dseg_table(scheme) if labels else [])


def draw(folder, steps, monkeypatch, **changes):
    """Draw for real, and give the words in each picture too."""
    words, save = {}, subject_figures.save_figure

    def save_and_read(figure, path):
        words[path.stem] = " | ".join(text.get_text() for text in figure.findobj(Text))
        save(figure, path)

    monkeypatch.setattr(subject_figures, "save_figure", save_and_read)
    subject_figures.draw_subject(folder, **(steps | changes))
    return words


def test_the_promised_pictures_are_written_and_can_be_opened_and_are_the_same_again(steps, tmp_path, monkeypatch):
    deliver(steps, steps["scans"]["labels"])
    words = draw(tmp_path / "pictures", steps, monkeypatch)
    found = {path.stem: path for path in (tmp_path / "pictures").iterdir()}
    assert set(found) == set(guidance.read_guidance().pictures) == set(words)
    for path in found.values():
        assert path.suffix == ".png" and path.stat().st_size <= 150_000
        shown = np.asarray(Image.open(path).convert("L"))
        assert min(shown.shape) > 200 and len(np.unique(shown)) > 10
    assert all("sub-X" in text and "SIMULATED" in text for text in words.values())
    assert "labelled" in words["segmentation"] and "Dice 1.00" in words["segmentation"]
    assert "tumour, as labelled" in words["candidates"] and "rank 1" in words["candidates"]
    assert [path.name for path in tmp_path.iterdir()] == ["pictures"]
    subject_figures.draw_subject(tmp_path / "again", **steps)
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
    whole = nifti.image(np.asanyarray(labels.dataobj) > 0, labels.affine)
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
    moved = steps["scans"] | {"labels": nifti.image(data, affine)}
    assert "Dice 1.00" in draw(tmp_path / "p", steps, monkeypatch, scans=moved)["segmentation"]


def test_where_the_probabilities_are_neither_low_nor_high_is_in_doubt(steps, tmp_path, monkeypatch):
    labels = steps["scans"]["labels"]
    inside = 1.0 * (np.asanyarray(labels.dataobj) > 0)
    sure, unsure = (nifti.image(value * inside.astype(np.float32), labels.affine) for value in (1.0, 0.6))
    pictures = []
    for name, chances in (("none", {}), ("sure", {"WT": sure}), ("unsure", {"TC": sure, "WT": unsure})):
        table = native_grid.dseg_table("brats2018")
        derivatives.write_delivered(steps["stem"], labels, chances, table)
        words = draw(tmp_path / name, steps, monkeypatch)["segmentation"]
        assert ("in doubt" in words) == bool(chances)
        pixels = np.asarray(Image.open(tmp_path / name / "segmentation.png").convert("RGB")).astype(int)
        red = (pixels[..., 0] - pixels[..., 2] > 60) & (pixels[..., 0] - pixels[..., 1] > 40)
        pictures.append((pixels.shape[0], int(red[len(red) * 2 // 3 : -45].sum())))
    assert pictures[1][0] > pictures[0][0] and pictures[2][1] > pictures[1][1] + 50


def test_own_labels_have_colours_of_their_own_and_their_names():
    scan = head()
    truth = nifti.image(
        np.asanyarray(blob(scan, (20, 24, 18)).dataobj) + np.asanyarray(blob(scan, (10, 24, 18), 2).dataobj),
        scan.affine,
    )
    said = " ".join(words(subject_figures.draw_segmentation(scan, truth, truth, {"anterior": 1, "posterior": 2})))
    assert "anterior posterior" in said and "all-labels Dice 1.00" in said and "tumour" not in said
    one = blob(scan, (20, 24, 18))
    assert "lesion Dice 1.00" in " ".join(words(subject_figures.draw_segmentation(scan, one, one, {"lesion": 1})))
    many = subject_figures.colour_tissues({f"l{k}": k for k in range(1, 9)})
    assert len(many) == 8 and many[1] != many[2]


def test_a_prepared_scan_is_drawn_as_it_was_given(steps, tmp_path, monkeypatch):
    deliver(steps, None)
    scans = {"mri": steps["scans"]["t1c"]}
    grid = {"file": "mri", "shape": list(scans["mri"].shape), "affine": scans["mri"].affine}
    status = steps["status"] | {"sequences": {"mri": grid}, "reference": "mri", "prepared": True}
    words = draw(tmp_path / "p", steps, monkeypatch, status=status, scans=scans, space_stem=None, template=None)
    assert set(words) == {"quality"} and "mri\nas scanned" in words["quality"]
    assert "brain mask" not in words["quality"] and "registered" not in words["quality"]
