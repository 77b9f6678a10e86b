"""The real workflow, end to end, on a coarse simulated cohort."""

import hashlib
import json
import re
import shutil
import zipfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from helpers.browser import CHROMIUM, dump
from helpers.fake_dicom import write_series
from helpers.fake_images import make_head, save
from helpers.report_chapters import CHAPTERS
from helpers.running import ROOT, fingerprints, rows, snakemake
from helpers.server import serve
from neurograft.core import files, tables
from neurograft.evaluation import assessment
from neurograft.imaging import nifti
from neurograft.simulation import subjects


def test_every_promised_output_is_there(finished):
    results = finished / "results"
    cohort = rows(results / "cohort.tsv")
    assert len(cohort) == 4
    for row in cohort:
        assert row["included"] == "true", row["reason"]
        subject = row["participant_id"]
        anat = results / "derivatives" / f"sub-{subject}" / "anat"
        for name in ("acq-t1_desc-brain_mask", "acq-flair_desc-brain_mask", "desc-brain_mask", "dseg"):
            assert (anat / f"sub-{subject}_{name}.nii.gz").exists(), name
        plain = [path for path in anat.glob("*dseg.nii.gz") if "space-" not in path.name and "desc-" not in path.name]
        assert [path.name for path in plain] == [f"sub-{subject}_dseg.nii.gz"]
        assert (results / "report" / f"sub-{subject}.html").exists()
    assert json.loads((results / "derivatives/dataset_description.json").read_text())["GeneratedBy"]
    plan = json.loads((results / "plan.json").read_text())
    assert [row["cells"] for row in plan["cells"]] == [4, 4] and plan["smallest_difference"] > 0.1
    for name in ("scores", "comparison", "times", "transfer_scores", "audit"):
        assert rows(results / "evaluation" / f"{name}.tsv"), name
    for name, columns in assessment.COLUMNS.items():
        header = (results / "evaluation" / f"{name}.tsv").read_text().splitlines()[0]
        assert header.split("\t") == list(columns), name
    for name in ("time_saved", "overfitting", "layers", "features", "privacy", "fairness"):
        assert rows(results / "evaluation" / f"{name}.tsv"), name
    # four patients are too few for any statement on a mask
    for row in rows(results / "evaluation/mask_quality.tsv"):
        assert (
            row["advice"] == "no statement" and "4 labelled patients" in row["reason"] and 0 <= float(row["dice"]) <= 1
        )
    for name in ("mask_quality", "mask_quality_summary", "mask_calibration", "missed_tumour"):
        assert rows(results / "evaluation" / f"{name}.tsv"), name
    assert (results / "report/index.html").stat().st_size < 15e6


def test_every_image_has_a_sidecar(finished):
    for path in (finished / "results/derivatives").rglob("*.nii.gz"):
        assert Path(str(path).removesuffix(".nii.gz") + ".json").exists(), path


def test_delivered_segmentation_is_on_the_native_grid(finished):
    results = finished / "results"
    for status in results.glob("work/sub-*/status.json"):
        status = json.loads(status.read_text())
        subject, reference = status["subject"], status["sequences"][status["reference"]]
        dseg = nib.load(results / f"derivatives/sub-{subject}/anat/sub-{subject}_dseg.nii.gz")
        assert list(dseg.shape) == reference["shape"]
        assert np.allclose(dseg.affine, reference["affine"], atol=1e-3)
        assert set(np.unique(dseg.dataobj)) <= {0, 1, 2, 4}


def test_no_patient_in_two_roles(finished):
    splits = json.loads((finished / "results/splits.json").read_text())
    tested = []
    for fold in splits["tasks"]["segmentation"]["folds"]:
        assert not set(fold["train"]) & set(fold["test"])
        tested += fold["test"]
    assert sorted(tested) == sorted(splits["tasks"]["segmentation"]["subjects"])
    for manifest in (finished / "results/predictions").rglob("manifest.json"):
        manifest = json.loads(manifest.read_text())
        assert manifest["splits"] == splits["hash"]


def test_scores_are_tidy(finished):
    scores = rows(finished / "results/evaluation/scores.tsv")
    cell = ["task", "source", "strategy", "space", "split", "n", "fold", "seed"]
    assert list(scores[0]) == [*cell, "subject", "region", "metric", "value"]
    dice = [row for row in scores if row["metric"] == "dice"]
    # both strategies, the supervoxels and their ensemble, every labelled patient once, three regions
    assert len(dice) == 4 * 4 * 3
    assert all(0 <= float(row["value"]) <= 1 for row in dice)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to open the report")
def test_a_browser_opens_the_report(finished, tmp_path):
    shown = dump(finished / "results/report/index.html", tmp_path / "profile")
    for chapter in CHAPTERS:
        assert f">{chapter}</h2>" in shown
    assert "SIMULATED" in shown
    pictures = set(re.findall(r'<img[^>]* src="([^"]+)"', shown))
    assert pictures and all((finished / "results/report" / picture).exists() for picture in pictures)


def test_sources_that_the_workflow_makes_are_rules_of_its_graph(finished, tmp_path):
    wanted = {"sources": ["efficientnet-lite0", "self-simulated", "self-masked"]}
    (tmp_path / "more.yaml").write_text(json.dumps({"experiment": {"segmentation": wanted}}))
    arguments = ("-n", "--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    plan = snakemake(finished, *arguments)
    assert "rule pretrain_simulated:" in plan and "rule pretrain_masked:" in plan
    # nothing is fetched for them, and the plan needs no weights
    for target in ("fetch_sources", "plan"):
        assert "rule pretrain" not in snakemake(finished, *arguments, targets=[target])


def test_spaces_and_splits_of_an_experiment_become_cells(finished, tmp_path):
    """Of four patients at two sites: two folds and two sites, in two spaces."""
    wanted = {"spaces": ["template", "native"], "splits": ["folds", "sites"]}
    (tmp_path / "more.yaml").write_text(json.dumps({"experiment": {"segmentation": wanted}}))
    plan = snakemake(finished, "-n", "--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    jobs = dict(re.findall(r"^(\w+) +(\d+)$", plan, re.MULTILINE))
    # 2 strategies x 2 spaces x (2 folds + 2 sites), less what is there: 2 strategies x 2 folds
    assert jobs["train_network"] == "12"
    assert jobs["register_scans"] == "4" and "strip_skull" not in jobs
    # another estimate trains nothing again
    assert jobs["plan_experiment"] == "1"


def test_snakemakes_own_report_holds_the_tables_with_captions(finished, tmp_path):
    snakemake(finished, "--configfile", ROOT / "config/tiny.yaml", "--report", tmp_path / "run.zip")
    with zipfile.ZipFile(tmp_path / "run.zip") as packed:
        names = {Path(name).name for name in packed.namelist()}
        page = packed.read("run/report.html").decode()
    assert {"index.html", "cohort.tsv", "quality.tsv", "plan.txt", "scores.tsv", "comparison.tsv"} <= names
    for words in ("with one page for each subject", "the smallest difference that this many patients can show"):
        assert words in page


def test_a_second_run_does_nothing(finished):
    assert "Nothing to be done" in snakemake(finished, "--cores", 2, "--configfile", ROOT / "config/tiny.yaml")


def test_a_checklist_that_was_changed_by_hand_is_told_so(finished):
    written = finished / "results/report/checklist.json"
    before = written.read_bytes()
    ask = {"targets": ["verify_checklist"], "check": False}
    config = ("--cores", 1, "--configfile", ROOT / "config/tiny.yaml")
    assert "each says what the files of the run say" in snakemake(finished, *config, **ask)
    try:
        content = json.loads(before)
        changed = next(row for row in content["items"] if row["id"] == "setting")
        changed["answer"] = "Forty hospitals."
        files.write_json(written, content)
        said = snakemake(finished, *config, **ask)
    finally:
        written.write_bytes(before)
    assert "setting, answer: says 'Forty hospitals.', the run says '2 sites" in said


@pytest.mark.long
@pytest.mark.ci
def test_one_core_gives_the_same_bytes(finished, tmp_path):
    """Delete one subject's preprocessing and all training, and do it again on one core."""
    shutil.copytree(finished / "results", tmp_path / "results")
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake")
    shutil.rmtree(tmp_path / "results/work/sub-phantom001")
    shutil.rmtree(tmp_path / "results/predictions")
    arguments = ("--cores", 1, "--configfile", ROOT / "config/tiny.yaml")
    snakemake(tmp_path, *arguments, targets=("train", "candidates", "all"))
    places = (finished, tmp_path)
    before, after = fingerprints(finished / "results", places), fingerprints(tmp_path / "results", places)
    assert {name for name in before if before[name] != after.get(name)} == set()


RANKED = {"extract_features": "1", "score_features": "1", "recommend_sources": "1", "recommend": "1", "total": "4"}


def test_one_more_source_is_ranked_by_jobs_that_train_nothing(finished, tmp_path):
    (tmp_path / "more.yaml").write_text("recommend: {sources: [efficientnet-lite1]}\n")
    config = ("--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    said = snakemake(finished, "-n", *config, targets=["recommend"])
    assert dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)) == RANKED


@pytest.mark.long
def test_sources_are_ranked_without_training(finished, tmp_path):
    """One more source than the experiment has: only that one is scored, nothing is trained, and the words are shown."""
    shutil.copytree(finished / "results", tmp_path / "results")
    shutil.copytree(finished / ".snakemake", tmp_path / ".snakemake")
    (tmp_path / "more.yaml").write_text("recommend: {sources: [efficientnet-lite1]}\n")
    config = ("--configfile", ROOT / "config/tiny.yaml", tmp_path / "more.yaml")
    said = snakemake(tmp_path, "--cores", 1, *config, targets=["recommend"])
    assert dict(re.findall(r"^(\w+) +(\d+)$", said, re.MULTILINE)) == RANKED
    ranking = rows(tmp_path / "results/recommendation.tsv")
    assert {row["source"] for row in ranking} == {"efficientnet-lite0", "efficientnet-lite1"}
    # one of the four is simulated without a tumour
    scored = rows(tmp_path / "results/evaluation/transfer_scores.tsv")
    assert {(row["patients"], row["left_out"]) for row in scored} == {("3", "1")}
    assert all(row["scores"] == "6" and row["patients"] == "3" for row in ranking)
    assert re.search(r"PROGRESS: \d jobs done, \d left; about .* left", said)
    assert "too few sources" in said and "No transferability score is reliable on medical tasks" in said
    assert not list(tmp_path.glob("results/work/features/*/*"))


def resolved(telling, folder, *arguments):
    """The config as the workflow sees it."""
    lines = snakemake(folder, "-n", *arguments, repository=telling).splitlines()
    return json.loads(next(line for line in lines if line.startswith("CONFIG")).removeprefix("CONFIG"))


@pytest.mark.parametrize("method", ["supervoxels", "ensemble"])
def test_what_trains_no_network_is_a_method_beside_the_networks(finished, method):
    results = finished / "results"
    comparison = rows(results / "evaluation/comparison.tsv")
    own = [row for row in comparison if (row["strategy"], row["against"]) == (method, "scratch")]
    assert {(row["region"], row["metric"]) for row in own} >= {("WT", "dice"), ("ET", "hd95")}
    # what is said of transfer is said of networks alone
    assert not any(row["verdict"] for row in own)
    assert method not in (results / "report/claims.tsv").read_text()
    assert not {row["strategy"] for row in rows(results / "evaluation/overfitting.tsv")} & {method}


def test_the_ensemble_is_the_mean_of_the_strategies_beside_it(finished):
    arms = finished / "results/predictions/segmentation/efficientnet-lite0"
    for folder in sorted((arms / "ensemble").iterdir()):
        manifest = json.loads((folder / "manifest.json").read_text())
        assert [member["strategy"] for member in manifest["members"]] == ["lp-ft", "supervoxels"]
        subject = manifest["test"][0]
        own, *members = (
            dict(np.load(arms / name / folder.name / f"sub-{subject}.npz"))
            for name in ("ensemble", "lp-ft", "supervoxels")
        )
        for region in ("WT", "TC", "ET"):
            mean = np.mean([one[region] for one in members], axis=0)
            assert np.abs(own[region] - mean).max() <= 0.5


def test_candidates_are_scored_with_and_without_training(finished):
    results = finished / "results"
    assert "With and without training" in (results / "report/index.html").read_text()
    # features of the encoder are shared by the folds, and gone when these are done
    assert not list(results.glob("work/pooled/*/*/*"))


def test_a_users_file_means_the_same_everywhere_and_knows_nothing_of_the_demo(telling, tmp_path):
    (tmp_path / "my.yaml").write_text("dataset: {layout: phantom, subjects: 3}\n")
    inside = resolved(telling, telling, "--configfile", tmp_path / "my.yaml")
    elsewhere = resolved(telling, tmp_path, "--configfile", tmp_path / "my.yaml")
    assert inside == elsewhere
    assert inside["register_scans"]["spacing"] == 1.0
    assert resolved(telling, tmp_path)["register_scans"]["spacing"] == 3.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dataset: {layout: phantom}\ntrain_network: {stepps: 3}\n", "did you mean 'steps'?"),
        ("dataset: {layout: bids, root: /does/not/exist}\n", "/does/not/exist"),
        ("dataset: {layout: table, root: nothing.tsv}\n", "nothing.tsv"),
        ("dataset: {layout: phantom}\ndeliver: {strategy: frozen}\n", "add it there"),
    ],
)
def test_mistakes_of_the_whole_run_stop_it_before_any_job(tmp_path, text, says):
    (tmp_path / "my.yaml").write_text(text)
    said = snakemake(tmp_path, "-n", "--configfile", tmp_path / "my.yaml", check=False)
    assert says in said
    assert "Traceback" not in said
    assert not (tmp_path / "results").exists()


def test_a_dataset_is_checked_from_its_names(tmp_path):
    case = tmp_path / "set/{a} b"
    case.mkdir(parents=True)
    for kind in ("t1", "t1ce", "seg", "pred_seg", "ADC"):
        (case / f"{{a}} b_{kind}.nii.gz").touch()
    (tmp_path / "my.yaml").write_text("dataset: {layout: brats, root: set}\n")
    said = snakemake(tmp_path, "--cores", 1, "--configfile", tmp_path / "my.yaml", targets=["check"])
    for words in ("1 subject in set (layout brats)", "with a label: 1", "brats2018 1", "{a} b_pred_seg.nii.gz named as",
                  "Seen and not used: 2 files", "A run prepares 1 subjects and trains 0 networks"):  # fmt: skip
        assert words in said, words
    assert not list(tmp_path.glob("results/work")) and (tmp_path / "results/check.json").exists()


@pytest.fixture(scope="session")
def scanned(tmp_path_factory):
    """Three coarse simulated patients as plain files, in a folder whose name has blanks and accents."""
    folder = tmp_path_factory.mktemp("data") / "données du patient 1"
    for index in (1, 2, 3):
        scans, _ = subjects.simulate_subject(index, spacing=4.0)
        nifti.write_scans(folder / f"P{index}", scans)
    return folder


def write_patients(path, scanned, **changes):
    """Write a table of the three patients, without labels, and whatever else is asked for."""
    sequences = ("t1", "t1c", "t2", "flair")
    patients = {f"P{k}": {name: scanned / f"P{k}" / f"{name}.nii.gz" for name in sequences} for k in (1, 2, 3)}
    for name, change in changes.items():
        patients[name] = patients.get(name, {}) | change
    known = [{"participant_id": name} | row for name, row in patients.items()]
    tables.write_table(path, known, ["participant_id", *sequences, "labels"])


@pytest.mark.long
def test_a_subject_at_fault_is_out_with_its_reason_and_the_rest_goes_on(scanned, tmp_path):
    """Every subject is tried at import; the cohort's table says who is out, and why."""
    whole = (scanned / "P1/t1.nii.gz").read_bytes()
    (tmp_path / "damaged.nii.gz").write_bytes(whole[: len(whole) // 2])
    series = nib.load(scanned / "P1/t1.nii.gz")
    nib.save(nib.Nifti1Image(np.stack([series.get_fdata()] * 3, -1), series.affine), tmp_path / "series.nii.gz")
    changes = {
        "P1": {"flair": ""},
        "broken": {"t1": tmp_path / "damaged.nii.gz"},
        "series": {"t1": tmp_path / "series.nii.gz"},
        "absent": {"t1": tmp_path / "nowhere.nii.gz"},
        "nothing": {},
    }
    write_patients(tmp_path / "patients.tsv", scanned, **changes)
    (tmp_path / "my.yaml").write_text("dataset: {layout: table, root: patients.tsv}\n")
    before = fingerprints(scanned)
    arguments = ("--cores", 2, "--configfile", tmp_path / "my.yaml")
    snakemake(tmp_path, *arguments, targets=["results/cohort.tsv"])
    cohort = {row["participant_id"]: row for row in rows(tmp_path / "results/cohort.tsv")}
    assert {name for name, row in cohort.items() if row["included"] == "true"} == {"P1", "P2", "P3"}
    assert cohort["P1"]["sequences"] == "t1,t1c,t2"
    for name, said in (("broken", "damaged.nii.gz"), ("series", "series.nii.gz"), ("absent", "nowhere.nii.gz")):
        assert said in cohort[name]["reason"]
    assert "no sequence" in cohort["nothing"]["reason"]
    assert fingerprints(scanned) == before


@pytest.mark.long
def test_without_labels_there_is_still_a_report_that_says_why(scanned, tmp_path):
    write_patients(tmp_path / "patients.tsv", scanned)
    text = "dataset: {layout: table, root: patients.tsv}\nregister_scans: {spacing: 4.0}\n"
    (tmp_path / "my.yaml").write_text(text + "propose_candidates: {segments: 300}\n")
    snakemake(tmp_path, "--cores", 2, "--configfile", tmp_path / "my.yaml")
    assert "0 usable labelled patients" in (tmp_path / "results/report/index.html").read_text()
    assert not (tmp_path / "results/predictions").exists()
    assert len(list(tmp_path.glob("results/derivatives/*/anat/*desc-candidates_dseg.nii.gz"))) == 3
    assert not list(tmp_path.glob("results/derivatives/*/anat/sub-*[0-9]_dseg.nii.gz"))


def test_a_dicom_folder_is_imported_and_nothing_tells_who_it_is(tmp_path):
    data = np.random.default_rng(0).integers(1, 3000, (16, 18, 12))
    names = lambda k: f"Zwiebelfisch^Ottokar_{k}"  # noqa: E731
    write_series(tmp_path / "in/case 1/19430817", data, np.diag([-7.0, 7, 10, 1]), "flair", names=names)
    (tmp_path / "my.yaml").write_text("dataset: {layout: dicom, root: in}\n")
    status = "results/work/sub-case1/status.json"
    said = snakemake(tmp_path, "--cores", 1, "--configfile", tmp_path / "my.yaml", targets=[status]).encode()
    assert list(json.loads((tmp_path / status).read_text())["sequences"]) == ["flair"]
    places = [path for folder in ("results", ".snakemake") for path in (tmp_path / folder).rglob("*")]
    said += b"".join(str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in places)
    assert b"Zwiebelfisch" not in said and b"19430817" not in said


@pytest.mark.long
@pytest.mark.ci
def test_pictures_in_folders_of_classes_run_from_files_to_report(tmp_path):
    """Twenty-four pictures of two classes, a copy across the set's own parts, one file that is none."""
    root = tmp_path / "données d'images"
    for number in range(24):
        name, part = ("glioma", "no tumour")[number % 2], ("Training", "Testing")[number > 15]
        save(root / part / name / f"p {number}.jpg", make_head(number, tone=1 + number % 2))
    save(root / "Testing/glioma/again.png", make_head(0)[:, ::-1])
    (root / "Training/glioma/notes.txt").write_text("see appendix")
    classified = {"strategies": ["scratch", "frozen"]}
    settings = {"dataset": {"layout": "images", "root": str(root)}, "import_images": {"size": 32}}
    settings |= {"split_cohort": {"folds": 2}, "train_network": {"steps": 2, "batch": 4}}
    settings |= {"experiment": {"classification": classified}}
    (tmp_path / "my.yaml").write_text(json.dumps(settings))
    before = fingerprints(root)
    arguments = ("--cores", 2, "--configfile", tmp_path / "my.yaml")
    snakemake(tmp_path, *arguments)
    cohort = {row["file"]: row for row in rows(tmp_path / "results/cohort.tsv")}
    assert {name for name, row in cohort.items() if row["included"] == "false"} == {"Training/glioma/notes.txt"}
    assert cohort["Testing/glioma/again.png"]["patient"] == cohort["Training/glioma/p 0.jpg"]["patient"]
    task = files.read_json(tmp_path / "results/splits.json")["tasks"]["classification"]
    assert task["classes"] == ["glioma", "no tumour"] and len(task["subjects"]) == 25
    scores = rows(tmp_path / "results/evaluation/scores.tsv")
    assert {row["strategy"] for row in scores} == set(classified["strategies"])
    tested = [row["subject"] for row in scores if (row["strategy"], row["metric"]) == ("frozen", "accuracy")]
    assert sorted(filter(None, tested)) == sorted(task["subjects"])
    contrast = rows(tmp_path / "results/evaluation/contrast.tsv")
    assert {row["strategy"] for row in contrast if not row["subject"]} == {
        "histogram of the picture",
        "histogram of the input",
    }
    report = (tmp_path / "results/report/index.html").read_text()
    assert "1 of its 9 test pictures have a copy in its training part" in report and "29 to 55 points" in report
    assert fingerprints(root) == before
    assert "Nothing to be done" in snakemake(tmp_path, *arguments)
    asked = {"experiment": {"segmentation": {"strategies": ["scratch"]}, "classification": classified}}
    (tmp_path / "my.yaml").write_text(json.dumps(settings | asked))
    assert "no outlines of tumours" in snakemake(tmp_path, "-n", *arguments, check=False)


def test_weights_with_a_wrong_hash_stop_the_run_before_any_job(telling, tmp_path):
    table = telling / "config/sources.tsv"
    before = table.read_text()
    try:
        table.write_text(before.replace("579344248a93", "000000000000"))
        said = snakemake(tmp_path, "-n", repository=telling, check=False)
    finally:
        table.write_text(before)
    assert "efficientnet-lite0" in said
    assert "expected 000000000000" in said
    assert "Traceback" not in said


def test_only_sources_that_the_experiment_names_are_fetched(telling, tmp_path):
    """Planning asks the server for nothing; a second run fetches nothing; without it, one line says what to do."""
    content, table = b"weights", telling / "config/sources.tsv"
    sha256, before = hashlib.sha256(content).hexdigest(), table.read_text()
    text = "dataset: {layout: phantom}\nexperiment: {segmentation: {sources: [mine, efficientnet-lite0]}}\n"
    (tmp_path / "my.yaml").write_text(text)
    arguments = ("--cores", 1, "--configfile", tmp_path / "my.yaml")
    try:
        with serve(content) as (url, asked):
            for name in ("mine", "other"):
                row = [name, "efficientnet-lite0", "2", "none", "none", url, sha256, "MIT", "nobody"]
                table.write_text(table.read_text() + "\t".join(row) + "\n")
            assert "rule fetch_source:" in snakemake(tmp_path, "-n", *arguments, repository=telling)
            assert asked == []
            for _ in range(2):
                snakemake(tmp_path, *arguments, targets=["fetch_sources"], repository=telling)
            assert asked == [None]
        found = tmp_path / "results/sources"
        assert [path.name for path in found.iterdir()] == ["mine"]
        assert (found / "mine/weights").read_bytes() == content
        (found / "mine/weights").unlink()
        said = snakemake(tmp_path, *arguments, targets=["fetch_sources"], check=False, repository=telling)
    finally:
        table.write_text(before)
    assert f"put weights-1.pth at {found / 'mine/weights'}" in said
    # what a failed run ends with: the rule, which one of its jobs, the end of its log, and what to try
    failure = said[said.index("FAILED: fetch_source, source mine") :]
    assert "put weights-1.pth" in failure and "what to try" in failure and "Finished work is kept" in failure
    assert "use a source that needs none: efficientnet-lite0" in said
    assert "Traceback" not in said
