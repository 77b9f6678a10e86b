"""The methods text: it says what was configured and run, and cites what it says."""

import re
from itertools import product
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.fake_run import Experiment, make_run
from neurograft.core.config import resolve_config
from neurograft.core.prepared import fit_prepared
from neurograft.core.stacked import fit_stacked
from neurograft.core.strategies import TRAINED
from neurograft.preprocessing import extraction_engines, intensity, registration
from neurograft.report.chapters import methods
from neurograft.report.references import read_references
from neurograft.report.strategy_words import WORDS
from neurograft.sources.cohort_rows import KIND, make_rows
from neurograft.sources.table import MADE_FROM, read_sources

SCHEMA = yaml.safe_load((Path(__file__).parents[3] / "workflow/schemas/config.schema.yaml").read_text())

LISTED = read_references()

TASKS = ("segmentation", "classification")


def configured(layout="brats", trained=TASKS, **blocks):
    """Return the config with the schema's defaults but for some blocks, and the splits of a run."""
    config = resolve_config({"dataset": {"layout": layout}} | blocks, SCHEMA)
    splits = make_run(patients=0, experiment=Experiment(gains={}))["splits"]
    for task, known in splits["tasks"].items():
        known |= {"trainable": task in trained, "folds": [{}] * 4 if task in trained else []}
    return config, splits


def told(config, splits, version="", sources=()):
    """Return all sentences as one text."""
    paragraphs, _ = methods.write_methods(config, splits, version, sources)
    return " ".join(words for paragraph in paragraphs for words, _ in paragraph)


def dois(config, splits):
    return {row["doi"] for row in methods.write_methods(config, splits)[1]}


RUNS = st.builds(
    configured,
    layout=st.sampled_from(["bids", "phantom"]),
    trained=st.sets(st.sampled_from(TASKS)),
    register_scans=st.fixed_dictionaries(
        {
            "engine": st.sampled_from(["greedy", "ants", "simpleitk"]),
            "deformable": st.booleans(),
            "template": st.sampled_from(["MNI152", "none", "/my/t.nii"]),
        }
    ),
    experiment=st.fixed_dictionaries(
        {
            task: st.fixed_dictionaries({"strategies": st.lists(st.sampled_from(sorted(TRAINED)), unique=True)})
            for task in TASKS
        }
    ),
)


@settings(max_examples=40, deadline=None)
@given(RUNS)
def test_every_number_has_its_reference_and_every_reference_is_cited(run):
    paragraphs, references = methods.write_methods(*run)
    cited = [number for paragraph in paragraphs for _, numbers in paragraph for number in numbers]
    assert list(dict.fromkeys(cited)) == [row["number"] for row in references] == list(range(1, len(references) + 1))
    assert len({row["text"] for row in references}) == len(references)
    words = told(*run)
    assert not re.search(r"None|[{}]|[ ,;][,;.]|  ", words)
    assert all(sentence.endswith(".") for paragraph in paragraphs for sentence, _ in paragraph)


def test_no_reference_is_in_the_list_in_vain():
    used = set()
    for engine, layout in product(registration.REGISTRATION_ENGINES, ("phantom", "brats", "dicom")):
        spans = {task: {"strategies": list(TRAINED)} for task in TASKS}
        run = configured(layout, register_scans={"engine": engine, "deformable": True}, experiment=spans)
        used |= {row["text"] for row in methods.write_methods(*run)[1]}
    for engine in extraction_engines.EXTRAS:
        used |= {row["text"] for row in methods.write_methods(*configured("bids", strip_skull={"engine": engine}))[1]}
    for method in ("whitestripe", "nyul"):
        evened = {"normalize_intensity": {"method": method, "bias_correction": True}}
        spans = {"segmentation": {"strategies": ["supervoxels-plain"]}}
        run = configured("bids", **evened, experiment=spans, classify_supervoxels={"harmonise": True})
        used |= {row["text"] for row in methods.write_methods(*run)[1]}
    works = [*LISTED.works.values(), *LISTED.scores.values(), LISTED.score_reliability]
    assert used == {work.text for work in works}


def test_references_are_told_apart_by_doi():
    found = [work.doi for work in LISTED.works.values() if work.doi]
    assert len(set(found)) == len(found)
    assert all(re.fullmatch(r"10\.\d{4,5}/\S+", doi) for doi in found)


def test_the_text_follows_the_config():
    words = told(
        *configured(
            register_scans={"engine": "greedy", "spacing": 1.5},
            propose_candidates={"segments": 4000, "engine": "simpleitk"},
            train_network={"steps": 150, "batch": 12},
        ),
        version="1.2.3",
    )
    for said in (
        "neurograft 1.2.3,", "With greedy,", "to the MNI152 template", "once to 1.5 mm", "(about 4,000, simpleitk)",
        "150 steps of 12 slices", "4 stratified folds", "slices of t1c, t2, flair", "efficientnet-lite0",
    ):  # fmt: skip
        assert said in words, said
    assert "SIMULATED" not in words and "SIMULATED" in told(*configured("phantom"))


@pytest.mark.parametrize("spacing", [[], [0.5, 0.5, 7.0]])
def test_stacked_pictures_are_told_as_such_and_whether_their_size_is_known(spacing):
    dataset = {"layout": "images", "sequences": ["t1c"], "pictures": {"spacing": spacing}}
    given = {"dataset": dataset, "register_scans": {"spacing": 2.0}}
    config = fit_prepared(fit_stacked(resolve_config(given, SCHEMA), given), given)
    text = told(config, configured()[1])
    assert "pictures of each patient were stacked" in text and "skull-stripped with" not in text
    assert ("not known and counts as 1 mm" in text) == (not spacing)
    assert f"resampled once to 2 x 2 x {7 if spacing else 1} mm" in text


def test_prepared_scans_with_own_labels_are_told_as_such():
    from_config = {
        "dataset": {"layout": "decathlon", "sequences": ["mri"], "labels": {"anterior": 1, "posterior": 2}},
        "strip_skull": {"engine": "none"},
        "register_scans": {"template": "none"},
    }
    config = fit_prepared(resolve_config(from_config, SCHEMA), from_config)
    _, splits = configured(trained=["segmentation"])
    splits["scheme"] = "anterior=1,posterior=2"
    splits["tasks"]["segmentation"] |= {"regions": ["all", "anterior", "posterior"], "sequences": ["mri"]}
    words = told(config, splits)
    assert "nothing was skull-stripped or registered, and images were left on their own grid" in words
    assert "all-labels Dice" in words and "axial slices of mri" in words
    assert not re.search("tumour|deepbet|MNI152|greedy", words.split("Anatomical normalisation")[1])
    config["register_scans"]["spacing"] = 2.0
    assert "resampled once to 2 mm" in told(config, splits)


def test_patches_are_told_of_where_a_source_is_3d():
    span = {"segmentation": {"sources": ["photos", "heads"], "strategies": ["scratch", "lp-ft"]}}
    options = {"steps": 150, "batch": 12, "patches": {"steps": 90, "batch": 2}}
    run = configured(trained=["segmentation"], experiment=span, train_network=options)
    rows = [{"name": name, "dimensions": d, "citation": name} for name, d in (("photos", "2"), ("heads", "3"))]
    words = told(*run, sources=rows)
    assert "pretrained as photos, was" in words and "patches of the volume of" in words
    assert "pretrained as heads, was" in words and "or 90 steps of 2 patches in 3-D" in words
    assert "patches" not in told(*run, sources=[row | {"dimensions": "2"} for row in rows])


def test_each_engine_has_its_own_reference():
    greedy, ants = (configured(register_scans={"engine": engine}) for engine in ("greedy", "ants"))
    assert "With ANTs" in told(*ants) and "greedy" not in told(*ants)
    assert dois(*ants) ^ dois(*greedy) == {"10.1016/j.neuroimage.2010.09.025", "10.1016/j.jalz.2016.06.205"}


def test_a_deformation_is_told_only_where_there_was_one():
    masked = LISTED.works["brett"].doi
    assert masked in dois(*configured(register_scans={"deformable": True}))
    for block in ({}, {"deformable": True, "template": "none"}):
        run = configured(register_scans=block)
        assert masked not in dois(*run) and "deformed" not in told(*run)


def test_every_choice_of_a_method_is_named():
    for method in intensity.INTENSITY_METHODS:
        assert f"({method})" in told(*configured(normalize_intensity={"method": method}))
    for engine in registration.REGISTRATION_ENGINES:
        assert "With affine registration" not in told(*configured(register_scans={"engine": engine}))
    for name in TRAINED:
        run = configured(trained=["segmentation"], experiment={"segmentation": {"strategies": [name]}})
        assert f"It was trained {WORDS[name].methods}." in told(*run)


def test_a_variant_is_told_with_what_differs():
    variants = {"last-layers-2": {"method": "last-layers", "k": 2}}
    spans = {"segmentation": {"strategies": ["scratch", "last-layers-2"]}}
    run = configured(trained=["segmentation"], experiment=spans, variants=variants)
    assert f"{WORDS['last-layers'].methods} (last-layers-2: k 2)" in told(*run)


def test_the_template_is_only_claimed_where_there_was_one():
    mni = LISTED.works["mni"].doi
    assert mni in dois(*configured())
    without = configured(register_scans={"template": "none"})
    assert mni not in dois(*without)
    assert "affinely" not in told(*without) and "template" not in told(*without)
    own = configured(register_scans={"template": "/home/me/atlas 7.nii.gz"})
    assert mni not in dois(*own) and "affinely to the template atlas 7.nii.gz;" in told(*own)
    assert "/home" not in told(*own)


def test_what_was_not_trained_is_not_told():
    words = told(*configured(trained=()))
    for said in ("trained for", "folds", "against scratch", "Dice", "All strategies"):
        assert said not in words
    nothing = {task: {"strategies": []} for task in TASKS}
    assert told(*configured(experiment=nothing)) == words


@pytest.mark.parametrize("task", TASKS)
def test_one_task_alone_is_described_whole(task):
    run = configured(trained=[task])
    words = told(*run)
    assert f"was trained for {task}" in words
    assert not [other for other in TASKS if other != task and f"trained for {other}" in words]
    assert {LISTED.works[key].doi for key in ("torch",)} <= dois(*run)
    assert ("whole-tumour Dice" in words) == (task == "segmentation")


def test_controls_alone_are_not_called_pretrained():
    controls = {"segmentation": {"strategies": ["scratch", "frozen-random"]}, "classification": {"strategies": []}}
    assert "pretrained" not in told(*configured(experiment=controls))
    assert "encoder pretrained as efficientnet-lite0" in told(*configured())


def test_an_empty_config_still_gives_a_text():
    paragraphs, references = methods.write_methods({}, {})
    assert paragraphs and references and "None" not in told({}, {}) and "  " not in told({}, {})


def test_methods_cite_what_the_sources_rows_say():
    run = make_run()
    one, other = "Tan M. Scaling. ICML 2019. doi:10.1/net", "Chen S. Organs. arXiv 2019"
    rows = [{"name": "efficientnet-lite0", "citation": one}, {"name": "larger", "citation": one}]
    rows += [{"name": "mine", "citation": other}, {"name": "unused", "citation": "Nobody"}]
    run["config"]["experiment"]["segmentation"]["sources"] = ["efficientnet-lite0", "larger", "mine", "unknown"]
    paragraphs, references = methods.write_methods(run["config"], run["splits"], sources=rows)
    named = {row["text"]: row for row in references}
    assert named["Tan M. Scaling. ICML 2019."]["doi"] == "10.1/net"
    assert named["Chen S. Organs. arXiv 2019."]["doi"] is None
    assert "Nobody." not in named and len(named) == len(references)
    sentence = next(found for part in paragraphs for found in part if "trained for segmentation" in found[0])
    assert {named["Tan M. Scaling. ICML 2019."]["number"], named["Chen S. Organs. arXiv 2019."]["number"]} < set(
        sentence[1]
    )


def test_scores_are_cited_where_segmentation_was_trained_and_not_believed():
    run = configured(trained=["segmentation"])
    assert {"10.48550/arXiv.2102.11005", "10.48550/arXiv.2308.07444"} <= dois(*run)
    assert "No such score is known to be reliable on medical tasks" in told(*run)
    assert "10.48550/arXiv.2308.07444" not in dois(*configured(trained=["classification"]))


def test_made_sources_are_told_where_their_weights_were_used():
    table = read_sources(Path(__file__).parents[3] / "config/sources.tsv")
    named = ["self-simulated", "self-masked"]
    rows = [table[name] for name in (*named, "efficientnet-lite0")]
    spans = {task: {"sources": named, "strategies": ["scratch", "frozen-random"]} for task in TASKS}
    run = configured(experiment=spans, pretrain={"steps": 123, "subjects": 45})
    for task in run[1]["tasks"].values():
        task["patients"] = {name: name for name in task["unlabelled"]}
    assert "made here" not in str(methods.write_methods(*run, sources=rows)[0])
    run[0]["experiment"]["segmentation"]["strategies"].append("lp-ft")
    paragraphs, references = methods.write_methods(*run, sources=rows)
    simulated, masked = (each for part in paragraphs for each in part if "was made here" in each[0])
    assert "45 simulated patients" in simulated[0] and "123 steps" in simulated[0]
    texts = {row["number"]: row["text"] for row in references}
    cited = " ".join(texts[number] for number in masked[1])
    assert "from efficientnet-lite0" in masked[0] and "Pathak" in cited and "EfficientNet" in cited
    run[1]["tasks"]["classification"]["unlabelled"] = []
    assert "self-masked, which learns from patients without labels, could not be made" in str(
        methods.write_methods(*run, sources=rows)[0]
    )


def test_every_way_of_making_a_source_has_its_words():
    assert set(methods.PRETRAININGS) == {*MADE_FROM, KIND, "no patients"}


@pytest.mark.parametrize(("strategy", "start"), [("lp-ft", "efficientnet-lite0"), ("scratch", "random weights")])
def test_a_source_of_another_cohort_is_told_with_its_cohort(strategy, start):
    table = read_sources(Path(__file__).parents[3] / "config/sources.tsv")
    block = {"start": "efficientnet-lite0", "strategy": strategy, "steps": 77, "licence": ""}
    cohorts = {"near": {"dataset": {"layout": "bids", "root": "x"}} | block}
    rows = [table["efficientnet-lite0"], *make_rows(cohorts, table).values()]
    asked = {"segmentation": {"sources": ["cohort-near"], "strategies": ["scratch", "frozen"]}}
    run = configured(trained=["segmentation"], experiment=asked, cohorts=cohorts)
    (made,) = (each for part in methods.write_methods(*run, sources=rows)[0] for each in part if "made here" in each[0])
    assert f"from {start}, a segmentation network was trained ({strategy}) for 77 steps" in made[0]
    assert "labelled patients of another cohort, near, except those" in made[0]


def test_dicom_is_told_and_its_converter_cited():
    config, splits = configured("dicom")
    assert "converted with dcm2niix" in told(config, splits) and "10.1016/j.jneumeth.2016.03.001" in dois(
        config, splits
    )
    config, splits = configured("bids")
    assert "dcm2niix" not in told(config, splits) and "10.1016/j.jneumeth.2016.03.001" not in dois(config, splits)


def test_masks_of_other_programs_are_named():
    external = {"nnunet": {"predictions": "masks"}}
    asked = {"segmentation": {"strategies": ["scratch"], "external": external}, "classification": {"strategies": []}}
    text = told(*configured(trained=("segmentation",), experiment=asked))
    assert "Segmentations by nnunet, made outside of this workflow, were scored and compared alike." in text
    assert "outside of this workflow" not in told(*configured(trained=("segmentation",)))


def test_open_lengths_and_budgets_are_told():
    block = {"steps": "auto", "batch": 8, "auto": {"least": 50, "most": 300, "held_back": 0.2}, "budgets": [0.5, 0.25]}
    words = told(*configured(trained=["segmentation"], train_network=block))
    assert "50 to 300 steps of 8 slices" in words and "20 % of its training patients, held back" in words
    assert "without early stopping" not in words and "scored after 25 % and 50 % of the steps" in words


def test_planes_are_told():
    block = {"steps": 9, "batch": 8, "planes": ["axial", "coronal", "sagittal"]}
    words = told(*configured(trained=["segmentation"], train_network=block))
    assert "learnt from axial, coronal and sagittal slices; their probabilities of all planes were averaged" in words
    assert "planes" not in told(*configured(trained=["segmentation"], train_network=block | {"planes": ["axial"]}))


def test_control_splits_are_told_and_cite_the_study_that_is_replayed():
    usual = told(*configured())
    assert "As a control, the same networks" not in usual
    task = {"splits": ["folds", "slices", "slices-random-labels"]}
    config, splits = configured(experiment={"classification": task}, replay={"study": "lu-2019"})
    words = told(config, splits)
    assert "split by slice, so that slices of one patient were in training and test" in words
    assert "labels permuted among patients" in words
    assert LISTED.works["lu"].doi in dois(config, splits)
