"""A source that learns to segment another cohort: from whom, which outputs and channels, and what cells make of it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from helpers.fake_cases import CELL
from helpers.fake_cells import freeze, write_slices
from helpers.fake_cells import train as train_cell
from neurograft.cohort import splits
from neurograft.networks import builders
from neurograft.sources import cohort_rows, cohort_training, table
from neurograft.sources.weights import SourceFiles, load_weights, locate
from neurograft.training.loop import TrainingOptions

TABLE = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")
BLOCK = {"start": "efficientnet-lite0", "strategy": "fine-tune", "licence": ""}
ROW = cohort_rows.make_rows({"near": BLOCK}, TABLE)["cohort-near"]
START = SourceFiles(TABLE["efficientnet-lite0"], locate(TABLE["efficientnet-lite0"]))
SMALL = {"batch": 4, "threads": 1}
PEOPLE = [f"n{number}" for number in range(4)]


def make_row(name, **changes):
    """A row of cohort.tsv."""
    row = {"participant_id": name, "included": "true", "sequences": "t1,t1c,t2,flair", "site": "", "reason": ""}
    return row | {"labels": "true", "scheme": "brats2018"} | changes


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """The own cohort of four patients: slices and split."""
    root, names = tmp_path_factory.mktemp("here"), [f"p{number}" for number in range(4)]
    slices = {name: write_slices(root / name, number) for number, name in enumerate(names)}
    return slices, splits.split_cohort([make_row(name) for name in names], folds=2)


@pytest.fixture(scope="module")
def there(tmp_path_factory):
    """The slices of the source's cohort."""
    root = tmp_path_factory.mktemp("there")
    return {name: write_slices(root / name, 10 + number) for number, name in enumerate(PEOPLE)}


def learn(folder, here, there, steps=2, start=START, row=ROW, seed=0, **changes):
    """Make the source; the changes are of `SourceCohort`."""
    facts = {"rows": [make_row(name) for name in PEOPLE], "slices": there} | changes
    cohort = cohort_training.SourceCohort("near", **facts)
    options = TrainingOptions(steps, seed=seed, **SMALL)
    return cohort_training.pretrain_cohort(folder, row, start, here[1], cohort, options)


@pytest.fixture(scope="module")
def learnt(here, there, tmp_path_factory):
    """The source of all four patients."""
    folder = tmp_path_factory.mktemp("sources") / "cohort-near"
    shared = {"shared": [{"subject": "n9"}], "releases": ["TCGA-LGG"]}
    return folder, learn(folder, here, there, steps=25, compared=shared)


def train(folder, here, weights, **changes):
    """Train a cell that starts from the source."""
    address = CELL | {"source": "cohort-near", "strategy": "frozen"} | changes
    return train_cell(folder, here, address, ROW, weights, keep_weights=True)


def test_all_patients_are_learnt_from_and_the_manifest_says_so(learnt):
    folder, manifest = learnt
    assert {path.name for path in folder.iterdir()} == {"weights", "top", "manifest.json", "history.tsv"}
    assert json.loads((folder / "manifest.json").read_text()) == manifest
    assert manifest["made"] and manifest["kind"] == "cohort" and manifest["learnt_from"] == PEOPLE
    assert manifest["outputs"] == ["WT", "TC", "ET"] and manifest["missing_sequences"] == []
    # nobody of this cohort, and who was known and left out
    assert manifest["subjects"] == [] and manifest["seen"] == ["TCGA-LGG"] and manifest["shared"] == [{"subject": "n9"}]
    rows = (folder / "history.tsv").read_text().splitlines()
    loss = [float(row.split("\t")[rows[0].split("\t").index("loss")]) for row in rows[1:]]
    assert len(loss) == 25 and np.mean(loss[-5:]) < np.mean(loss[:5])


def test_frozen_takes_the_encoder_and_starts_from_decoder_and_head(learnt, here, tmp_path):
    folder, _ = learnt
    cell = train(tmp_path / "frozen", here, folder / "weights")
    assert cell["trained"] and cell["loaded_share"] == cell["top_loaded_share"] == 1 and cell["pretrained_on"] == []
    state, encoder = torch.load(tmp_path / "frozen/weights.pt"), load_weights(folder / "weights")
    kept = [name for name in encoder if "num_batches" not in name]
    assert all(torch.equal(state[f"encoder.{name}"], encoder[name]) for name in kept)
    head, top = "segmentation_head.0.weight", load_weights(folder / "top")
    # three steps away from the source, and not from random weights
    assert not torch.equal(state[head], top[head])
    assert (state[head] - top[head]).norm() < 0.3 * top[head].norm()


def test_controls_take_nothing_of_it(learnt, here, tmp_path):
    cell = train(tmp_path / "cell", here, learnt[0] / "weights", strategy="scratch")
    assert cell["trained"] and cell["loaded_share"] is None and "top_loaded_share" not in cell
    known = train_cell(tmp_path / "same", here, CELL | {"strategy": "scratch"}, START.row, START.weights)
    assert cell["weights_sha256"] == known["weights_sha256"]


def test_a_classifier_takes_the_encoder_alone(learnt, here, tmp_path):
    cell = train(tmp_path / "cell", here, learnt[0] / "weights", task="classification")
    assert cell["trained"] and cell["loaded_share"] == 1 and "top_loaded_share" not in cell


def test_outlines_of_one_kind_teach_the_whole_tumour(here, there, tmp_path):
    """A scheme of its own, or a binary one; of the head the other outputs stay as they are."""
    for name, scheme in (("binary", "binary"), ("own", "lesion=2")):
        slices = {who: write_slices(tmp_path / name / who, 20, labelled=True) for who in PEOPLE}
        rows = [make_row(who, scheme=scheme) for who in PEOPLE]
        manifest = learn(tmp_path / f"{name}-source", here, slices, rows=rows)
        assert manifest["made"] and manifest["outputs"] == ["WT"]
    assert manifest["regions"] == {"WT": "lesion"}
    cell = train(tmp_path / "cell", here, tmp_path / "own-source/weights")
    assert cell["trained"] and 0.99 < cell["top_loaded_share"] < 1


def test_a_sequence_that_the_cohort_lacks_reaches_no_feature(here, there, tmp_path):
    rows = [make_row(name, sequences="t1,t1c,flair") for name in PEOPLE]
    manifest = learn(tmp_path / "source", here, there, rows=rows)
    assert manifest["sequences"] == ["t1c", "t2", "flair"] and manifest["missing_sequences"] == ["t2"]
    kernel = load_weights(tmp_path / "source/weights")["_conv_stem.weight"]
    assert not kernel[:, 1].any() and kernel[:, 0].any() and kernel[:, 2].any()
    # here it may be learnt: training opens it
    cell = train(tmp_path / "cell", here, tmp_path / "source/weights", strategy="fine-tune")
    assert cell["trained"] and torch.load(tmp_path / "cell/weights.pt")["encoder._conv_stem.weight"][:, 1].any()


def test_who_is_left_out_is_not_read(here, there, tmp_path):
    """Shared with this cohort, flagged by quality, without labels, or without any of the sequences."""
    rows = [
        make_row("n0"), make_row("n1"), make_row("s", included="false", reason="the same person as p1"),
        make_row("q"), make_row("u", labels="false"), make_row("x", sequences="adc"),
    ]  # fmt: skip
    flagged = splits.QualityFindings({"q": ["registration failed"]})
    manifest = learn(
        tmp_path / "source", here, {name: there[name] for name in ("n0", "n1")}, rows=rows, quality=flagged
    )
    assert manifest["learnt_from"] == ["n0", "n1"]
    assert set(manifest["left_out"]) == {"s", "q", "x"} and manifest["left_out"]["s"] == "the same person as p1"


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [make_row("s", included="false", reason="the same person as p1")],
            "may be learnt from has any of t1c, t2, fl",
        ),
        ([make_row("u", labels="false")], "no labelled patient of the cohort near is left to learn from"),
        ([make_row("x", sequences="mri")], "has any of t1c, t2, flair"),
        ([], "has any of"),
    ],
)
def test_where_nothing_can_be_learnt_cells_say_why(here, there, tmp_path, rows, says):
    manifest = learn(tmp_path / "source", here, there, rows=rows)
    assert not manifest["made"] and says in manifest["reason"]
    assert (tmp_path / "source/weights").stat().st_size == (tmp_path / "source/top").stat().st_size == 0
    cell = train(tmp_path / "cell", here, tmp_path / "source/weights")
    assert not cell["trained"] and cell["reason"] == manifest["reason"]


def test_labels_that_tell_no_region_here_teach_nothing(here, there, tmp_path):
    split = json.loads(json.dumps(here[1]))
    split["tasks"]["segmentation"]["regions"] = []
    manifest = learn(tmp_path / "source", (here[0], freeze(split)), there)
    assert not manifest["made"] and "tell no region" in manifest["reason"]


def test_the_same_again_and_another_start(learnt, here, there, tmp_path):
    made = {}
    for name, changes in {"one": {}, "two": {}, "other": {"seed": 1}, "random": {"start": None}}.items():
        strategy = {"strategy": "scratch"} if name == "random" else {}
        manifest = learn(tmp_path / name, here, there, **changes, **strategy)
        made[name] = [(tmp_path / name / file).read_bytes() for file in ("weights", "top")]
        assert manifest["base"] == ("" if name == "random" else "efficientnet-lite0")
    assert made["one"] == made["two"] and made["one"] != made["other"] != made["random"]


def test_a_damaged_top_is_refused(learnt, here, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("weights", "manifest.json", "top"):
        (source / name).write_bytes((learnt[0] / name).read_bytes())
    (source / "top").write_bytes((learnt[0] / "weights").read_bytes())
    with pytest.raises(table.SourceError, match="top is not the file"):
        train(tmp_path / "cell", here, source / "weights")


def test_networks_of_volumes_hand_on_their_decoder_too():
    network = builders.build_segmenter("deepbet", 3, 1)
    builders.silence_channels(network, [2])
    kernel = network.encoder.get_parameter(network.encoder.stem)
    assert not kernel[:, 2].any() and kernel[:, :2].any(1).any()
    other = builders.build_segmenter("deepbet", 3, 3)
    loaded = builders.load_top(other, builders.take_top(network), ["TC"], ["WT", "TC", "ET"])
    assert 0.9 < loaded["loaded_share"] < 1 and "head.weight" not in loaded["whole"]
    assert torch.equal(other.head.weight[1], network.head.weight[0])
    assert not torch.equal(other.head.weight[0], network.head.weight[0])
