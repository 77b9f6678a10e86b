"""What a run starts from is found before any job, and every mistake of the user's is one line of one kind."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from neurograft.experiment import setup, source_choice
from neurograft.imaging import templates
from neurograft.sources import weights
from neurograft.sources.table import SourceError, is_made, read_sources

ROOT = Path(__file__).parents[2]

TABLE = read_sources(ROOT / "config/sources.tsv")

DATASET = {"dataset": {"layout": "phantom", "subjects": 3}}


def prepare(verified=False, **changes):
    """Prepare a run on three simulated subjects."""
    return setup.prepare_run(DATASET | changes, ROOT, verified)


def segment(**changes):
    """The config's block of an experiment that only segments."""
    return {"segmentation": changes, "classification": {"strategies": []}}


def test_fingerprints_that_are_not_there_stop_the_run_before_any_job():
    with pytest.raises(setup.SetupError, match=r"there is no file missing/BraTS2018\.npz; give the path"):
        prepare(guard_leaks={"releases": ["missing/BraTS2018.npz"]})


def test_a_short_config_becomes_all_that_rules_go_by():
    run = prepare(verified=True)
    assert run.config["split_cohort"]["folds"] == run.design.folds == 5
    assert list(run.subjects) == ["phantom001", "phantom002", "phantom003"] and not run.pictures
    assert run.design.spaces == {"template": "MNI152", "native": "reference"}
    assert run.template == templates.template_path("MNI152")
    assert run.sources == TABLE and list(run.kin) == list(run.choice.named) == ["efficientnet-lite0"]
    assert Path(run.series_rules) == ROOT / "config/sequences.tsv" and re.fullmatch("[0-9a-f]{16}", run.series_digest)
    assert DATASET == {"dataset": {"layout": "phantom", "subjects": 3}}


def test_without_a_template_there_is_one_space():
    run = prepare(register_scans={"template": "none"})
    assert run.template is None and set(run.design.spaces.values()) == {"reference"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"train_network": {"stepps": 3}}, "did you mean 'steps'"),
        ({"dataset": {"layout": "bids", "root": "/nowhere"}}, "dataset.root '/nowhere' does not exist"),
        ({"dataset": DATASET["dataset"] | {"exclude": "/nowhere.tsv"}}, "dataset.exclude: /nowhere.tsv"),
        ({"experiment": segment(sources=["fotos"])}, "names 'fotos'; sources.tsv has: efficientnet-lite0"),
        ({"experiment": {"classification": {"sources": ["deepbet"]}}}, "is a 3-D source"),
        ({"recommend": {"sources": ["fotos"]}}, "recommend.sources names 'fotos'"),
        ({"deliver": {"strategy": "lora"}}, "does not train: add it there"),
        ({"variants": {"mine": {"method": "lora"}}}, "name it lora-SOMETHING"),
        ({"register_scans": {"template": "/nowhere.nii"}}, "template /nowhere.nii: no such file"),
        ({"convert_dicom": {"rules": "/nowhere.tsv"}}, "/nowhere.tsv cannot be read"),
    ],
)
def test_every_mistake_is_one_line_of_one_kind(changes, says):
    with pytest.raises(setup.SetupError) as caught:
        prepare(**changes)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_an_engine_that_is_not_installed_is_told(monkeypatch):
    monkeypatch.setattr("neurograft.preprocessing.extraction_engines.find_spec", lambda name: None)
    with pytest.raises(setup.SetupError, match="strip_skull.second is 'robex', which needs `pip install"):
        prepare(strip_skull={"second": "robex"})


def test_a_fault_of_the_program_is_not_taken_for_the_users(monkeypatch):
    monkeypatch.setattr(setup, "find_subjects", lambda **dataset: {}["fault"])
    with pytest.raises(KeyError):
        prepare()


def test_weights_are_compared_with_their_hash_where_that_is_asked_for(tmp_path):
    (tmp_path / "workflow").symlink_to(ROOT / "workflow")
    (tmp_path / "config").mkdir()
    for name in ("sequences", "releases", "persons"):
        (tmp_path / f"config/{name}.tsv").symlink_to(ROOT / f"config/{name}.tsv")
    table = (ROOT / "config/sources.tsv").read_text()
    (tmp_path / "config/sources.tsv").write_text(table.replace(TABLE["efficientnet-lite0"]["sha256"], "0" * 64))
    setup.prepare_run(DATASET, tmp_path, verified=False)
    with pytest.raises(setup.SetupError, match="is not the file that sources.tsv names"):
        setup.prepare_run(DATASET, tmp_path)


def test_pictures_are_known_by_their_layout(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").touch()
    assert prepare(dataset={"layout": "images", "root": str(tmp_path)}).pictures


def choose(names, ranked=()):
    """The choice of an experiment that names some sources."""
    span = {"sources": names, "also": []}
    return source_choice.choose_sources({"experiment": {"a": span}, "recommend": {"sources": list(ranked)}}, TABLE)


def test_what_a_source_is_made_from_is_a_source_of_the_run():
    choice = choose(["self-masked"], ["self-masked"])
    assert set(choice.named) == {"self-masked", "efficientnet-lite0"} == set(choice.scored) == set(choice.ranked)
    assert choice.weights["self-masked"] == "results/sources/self-masked/weights"
    assert choice.weights["efficientnet-lite0"] == weights.locate(TABLE["efficientnet-lite0"])
    assert choice.fetched == []


def test_what_is_to_be_ranked_is_scored_and_fetched():
    choice = choose(["efficientnet-lite0"], ["alexnet", "medicalnet-resnet10"])
    assert list(choice.named) == ["efficientnet-lite0"]
    assert choice.scored == choice.ranked and set(choice.ranked) - set(choice.named) == {
        "alexnet",
        "medicalnet-resnet10",
    }
    # features are of slices: volumes are ranked without their weights
    assert choice.fetched == ["results/sources/alexnet/weights"]


def test_volumes_that_an_experiment_names_are_fetched():
    assert choose(["medicalnet-resnet10"], ["alexnet"]).fetched == [
        "results/sources/medicalnet-resnet10/weights",
        "results/sources/alexnet/weights",
    ]


def test_a_source_without_a_published_hash_stops_the_run_before_it_starts():
    with pytest.raises(SourceError, match="source amaes-unet-b: its authors publish no SHA-256"):
        choose(["amaes-unet-b"])
    assert "amaes-unet-b" not in choose(["efficientnet-lite0"]).weights


def test_who_names_none_to_rank_has_those_ranked_that_are_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    choice = choose(["efficientnet-lite0"])
    assert choice.scored == choice.named
    of_slices = {name: row["location"] for name, row in TABLE.items() if row["dimensions"] == "2"}
    assert set(choice.ranked) == {name for name, location in of_slices.items() if location.startswith("wheel:")}


def test_a_pattern_of_sources_matches_these_alone():
    run = prepare()
    pattern = run.match_sources(is_made)
    made = ["self-simulated", "self-masked", "shuffled-lite0"]
    assert [name for name in TABLE if re.fullmatch(pattern, name)] == made
    assert not any(re.fullmatch(run.match_sources(lambda row: False), name) for name in ("", *TABLE))


def test_a_job_goes_by_those_parts_of_a_row_alone_that_it_uses():
    assert prepare().describe_source("alexnet", "backbone") == {"backbone": "alexnet"}


def test_a_variant_of_another_strategy_is_no_option_of_a_training():
    run = prepare(variants={"lora-2": {"method": "lora", "rank": 2}, "lora-4": {"method": "lora", "rank": 4}})
    options = run.list_training_options("lora-2")
    assert options["variants"] == {"lora-2": {"method": "lora", "rank": 2}}
    assert "sampling" not in options and options["steps"] == run.config["train_network"]["steps"]
    assert run.list_training_options("scratch")["variants"] == {} and "variants" not in run.list_training_options()


def test_a_source_is_pretrained_with_the_batch_of_every_training():
    run = prepare(train_network={"batch": 3}, seed=5)
    options = run.list_pretraining_options()
    assert (options["batch"], options["seed"]) == (3, 5) and options.items() >= run.config["pretrain"].items()


def test_a_subjects_scans_are_its_files_that_exist_and_no_job_makes(tmp_path):
    (tmp_path / "t1.nii").touch()
    (tmp_path / "scans.tsv").write_text("participant_id\tt1\tflair\nA\tt1.nii\tgone.nii\n")
    run = prepare(dataset={"layout": "table", "root": str(tmp_path / "scans.tsv")})
    assert run.list_scans("A") == [str(tmp_path / "t1.nii")]
    assert prepare().list_scans("phantom001") == []


def test_a_file_of_an_older_date_in_the_place_of_another_is_a_change(tmp_path):
    for folder, text in (("one", "a"), ("two", "bb")):
        (tmp_path / folder / "P1").mkdir(parents=True)
        (tmp_path / folder / "P1/P1_t1.nii").write_text(text)
        os.utime(tmp_path / folder / "P1/P1_t1.nii", (1000, 1000))
    (tmp_path / "link").symlink_to(tmp_path / "one")
    (tmp_path / "mine/P1").mkdir(parents=True)
    scan = tmp_path / "mine/P1/P1_t1.nii"
    scan.write_text("a")

    def digest(root):
        return prepare(dataset={"layout": "brats", "root": str(tmp_path / root)}).digest_scans("P1")

    before, through = digest("mine"), digest("link")
    assert digest("mine") == before
    os.utime(scan, (500, 500))
    assert digest("mine") != before
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "two")
    assert digest("link") != through


def test_paths_with_braces_are_told_by_their_digest_alone(tmp_path):
    (tmp_path / "a{b}").mkdir()
    (tmp_path / "a{b}/a{b}_t1.nii").write_text("x")
    run = prepare(dataset={"layout": "brats", "root": str(tmp_path)})
    assert run.list_scans("ab") == [] and run.subjects["ab"]["files"]["t1"].endswith("a{b}_t1.nii")
    before = run.digest_scans("ab")
    (tmp_path / "a{b}/a{b}_t1.nii").write_text("other")
    assert run.digest_scans("ab") != before


def test_files_that_names_leave_open_are_all_inputs(tmp_path):
    (tmp_path / "P1").mkdir()
    for name in ("P1_t1.nii", "P1_t1.nii.gz"):
        (tmp_path / "P1" / name).touch()
    run = prepare(dataset={"layout": "brats", "root": str(tmp_path)})
    assert len(run.list_scans("P1")) == 2


def test_more_folds_than_subjects_stop_the_run_and_what_is_foreseen_is_counted(tmp_path):
    with pytest.raises(setup.SetupError, match="folds is 99, but there are 3 subjects"):
        prepare(verified=True, split_cohort={"folds": 99})
    foreseen = prepare(split_cohort={"folds": 3}).foresee()
    assert foreseen.startswith("A run prepares 3 subjects and trains ") and "trains 0" not in foreseen


def test_networks_of_control_splits_are_foreseen_too():
    task = {"strategies": ["scratch", "fine-tune"], "splits": ["folds", "slices"]}
    experiment = {"segmentation": {"strategies": []}, "classification": task}
    assert "trains 12 networks" in prepare(split_cohort={"folds": 3}, experiment=experiment).foresee()


def test_preparing_a_run_imports_nothing_heavy():
    heavy = {"torch", "monai", "ants", "SimpleITK", "nibabel", "pandas", "scipy", "sklearn", "skimage", "snakemake"}
    code = (
        "import sys; from neurograft.experiment import setup;"
        f"setup.prepare_run({DATASET!r}, {str(ROOT)!r});"
        f"assert not {heavy!r} & set(sys.modules)"
    )
    path = os.pathsep.join([str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | {"PYTHONPATH": path})


def test_pictures_of_patients_are_no_single_pictures_and_their_files_are_listed(tmp_path):
    for name in ("1.png", "1_mask.png", "2.png", "2_mask.png"):
        (tmp_path / "set/A").mkdir(parents=True, exist_ok=True)
        (tmp_path / "set/A" / name).touch()
    dataset = {"layout": "images", "root": str(tmp_path / "set"), "sequences": ["t1c"]}
    run = prepare(dataset=dataset, register_scans={"spacing": 2.0})
    assert not run.pictures and run.prepared and run.template is None
    files = [str(tmp_path / "set/A" / name) for name in ("1.png", "1_mask.png", "2.png", "2_mask.png")]
    assert run.list_pictures("A") == files and run.list_scans("A") == []
    assert run.list_stack_options() == {"sequences": ["t1c"], "spacing": [], "scheme": "auto"}
    assert run.config["register_scans"]["spacing"] == [2.0, 2.0, 1.0]


def write_cohorts(folder, labels=("t1", "labels")):
    """Two cohorts as tables, of two subjects each; the files need only be there."""
    for name, kinds in (("mine", ("t1", "flair")), ("near", labels)):
        rows = [["participant_id", *kinds]]
        for subject in ("A", "B"):
            rows.append([subject, *(f"{name}-{subject}-{kind}.nii" for kind in kinds)])
            for file in rows[-1][1:]:
                (folder / file).touch()
        (folder / f"{name}.tsv").write_text("".join("\t".join(row) + "\n" for row in rows))
    dataset, near = ({"layout": "table", "root": str(folder / f"{name}.tsv")} for name in ("mine", "near"))
    return {"dataset": dataset, "cohorts": {"near": {"dataset": near, "steps": 9}}, "deliver": {"strategy": "frozen"}}


def learn(config, **changes):
    """Prepare a run that learns from the other cohort."""
    asked = segment(sources=["efficientnet-lite0", "cohort:near"], strategies=["scratch", "frozen"])
    return prepare(**({"experiment": asked} | config | changes))


def test_another_cohort_is_a_source_and_prepared_as_a_run_of_its_own(tmp_path):
    run = learn(write_cohorts(tmp_path), register_scans={"spacing": 2.0}, train_network={"batch": 5})
    near = run.cohorts["near"]
    assert list(near.subjects) == ["A", "B"] and near.list_scans("A") == [
        str(tmp_path / f"near-A-{kind}.nii") for kind in ("t1", "labels")
    ]
    assert near.config["register_scans"] == run.config["register_scans"] and near.template == run.template
    assert run.design.list_arms("segmentation", source="cohort-near") and run.learnt_cohorts == ["near"]
    assert run.choice.weights["cohort-near"] == "results/sources/cohort-near/weights"
    assert run.kin["cohort-near"] == run.kin["efficientnet-lite0"]
    options = run.list_cohort_options("near")
    assert options == {"steps": 9, "batch": 5, "threads": 1, "seed": 0}
    seen = {row["name"]: row["seen"] for row in run.list_guard_options()["sources"]}
    assert seen["cohort-near"] == "ImageNet; cohort:near"
    assert "the cohort near: 2 subjects" in run.foresee()


def test_a_cohort_that_no_source_learns_from_is_checked_and_not_used(tmp_path):
    run = learn(write_cohorts(tmp_path), experiment=segment(strategies=["frozen"]))
    assert list(run.cohorts) == ["near"] and run.learnt_cohorts == []
    assert "cohort-near" not in {row["name"] for row in run.list_guard_options()["sources"]}
    ranked = learn(write_cohorts(tmp_path), recommend={"sources": ["cohort:near"]})
    assert ranked.learnt_cohorts == ["near"] and "cohort-near" in ranked.choice.ranked


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"dataset": {"layout": "bids", "root": "/nowhere"}}, "cohorts.near: dataset.root '/nowhere' does not exist"),
        (
            {"dataset": {"layout": "bids", "rot": "x"}},
            "cohorts.near: unknown key 'rot' at dataset; did you mean 'root'",
        ),
        ({"register_scans": {"spacing": 9}}, "config: cohorts.near: register_scans.spacing"),
        ({"start": "self-masked"}, "cohorts.near.start is 'self-masked'"),
        ({"dataset": {"layout": "phantom"}}, "cohorts.near: dataset.layout is phantom"),
    ],
)
def test_a_mistake_in_a_cohort_is_told_at_its_place(tmp_path, changes, says):
    config = write_cohorts(tmp_path)
    config["cohorts"]["near"] |= changes
    with pytest.raises(setup.SetupError) as caught:
        learn(config)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_cohort_has_to_be_another_one_with_labels_and_a_common_sequence(tmp_path):
    config = write_cohorts(tmp_path)
    with pytest.raises(setup.SetupError, match="is the dataset itself"):
        learn(config, dataset=config["cohorts"]["near"]["dataset"])
    with pytest.raises(setup.SetupError, match="none of its 2 subjects has labels"):
        learn(write_cohorts(tmp_path, ("t1",)))
    with pytest.raises(setup.SetupError, match="near has t2, and the networks of this dataset take flair, t1: no seq"):
        learn(write_cohorts(tmp_path, ("t2", "labels")))


def test_what_a_licence_of_the_scans_forbids_is_not_published(tmp_path):
    config = write_cohorts(tmp_path)
    config["cohorts"]["near"]["licence"] = "CC-BY-NC-4.0"
    with pytest.raises(setup.SetupError, match="'cohort-near', whose licence .*CC-BY-NC-4.0 .* forbids commercial use"):
        learn(config, publish=True)


def test_planes_are_for_volumes(tmp_path):
    assert prepare(train_network={"planes": ["axial", "sagittal"]}).list_training_options()["planes"] == [
        "axial",
        "sagittal",
    ]
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").touch()
    pictures = {"layout": "images", "root": str(tmp_path)}
    with pytest.raises(setup.SetupError, match="train_network.planes: pictures are slices of one plane; leave it out"):
        prepare(dataset=pictures, train_network={"planes": ["coronal"]})
    with pytest.raises(setup.SetupError, match="planes"):
        prepare(train_network={"planes": ["oblique"]})
