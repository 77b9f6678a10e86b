"""What `snakemake check` says of a dataset, from names and headers alone."""

from pathlib import Path

import nibabel as nib
import numpy as np

from helpers.fake_files import touch
from neurograft.cohort import layouts, survey

AFFINE = np.diag([5.0, 5, 5, 1])


def make_dataset(root):
    stem = "sub-01/anat/sub-01"
    touch(
        root, f"{stem}_acq-old_T1w.nii.gz", "sub-01/func/sub-01_task-rest_bold.nii.gz", "sub-01/anat/x.mgz", "raw.zip"
    )
    touch(root, "sub-02/func/sub-02_task-rest_bold.nii.gz", f"{stem}_desc-brain_mask.nii.gz", ".hidden/a.nii.gz")
    (root / "participants.tsv").write_text("participant_id\tsite\tage\n1\tBern\t50\nsub-09\tOslo\t3\n")
    for kind in ("T1w", "FLAIR", "label-lesion_roi"):
        image = nib.Nifti1Image(np.ones((40, 44, 36), np.uint8), AFFINE)
        nib.save(image, root / f"{stem}_{kind}.nii.gz")
    return str(root)


def check(root, **more):
    subjects = layouts.find_subjects("bids", root, **more)
    return survey.survey_dataset(subjects, "bids", [root], **more)


def test_everything_is_found_once(tmp_path):
    seen = check(make_dataset(tmp_path))
    assert seen["counts"] == {"found": 2, "waiting": 1, "labelled": 1} and seen["kinds"] == {"t1": 1, "flair": 1}
    assert seen["sites"] == {"Bern": 1} and seen["subjects"][1]["reason"] == "no sequence found"
    (table,) = seen["columns"]
    assert (table["matched"], table["subjects"], table["strangers"]) == (1, 2, ["sub-09"])
    t1 = seen["subjects"][0]["files"][0]
    assert t1["file"].endswith("sub-01_T1w.nii.gz")
    assert (t1["kind"], t1["shape"], t1["size_mm"]) == ("t1", "40 x 44 x 36", "5 x 5 x 5")
    groups = {row["pattern"]: (row["count"], row["advice"]) for row in seen["unused"]}
    assert groups.pop("*/func/*_task-rest_bold.nii.gz") == (2, "no anatomical scan; nothing to do")
    assert groups.pop("raw.zip") == (1, "unpack it")
    assert "convert it to NIfTI" in groups.pop("*/anat/x.mgz")[1]
    assert "left by a choice" in groups.pop("*/anat/*_acq-old_T1w.nii.gz")[1]
    assert "no label of a tumour" in groups.pop("*/anat/*_desc-brain_mask.nii.gz")[1] and groups == {}


def test_one_screen(tmp_path):
    seen = check(make_dataset(tmp_path), choose=["derivatives/nobody/*"])
    words = survey.write_lines(seen)
    assert len(words.splitlines()) <= 40
    for part in ("2 subjects in", "with a label: 1", "rows of 1 of 2 subjects", "of nobody here: sub-09",
                 "Seen and not used: 6 files", "2 x */func/*_task-rest_bold.nii.gz", "derivatives/nobody/*",
                 "t1: took", "(the whole head"):  # fmt: skip
        assert part in words, part


def test_many_lines_are_cut_with_their_number(tmp_path):
    for number in range(1, 60):
        touch(tmp_path, f"sub-{number}/anat/sub-{number}_T1w.nii.gz", f"sub-{number}/anat/sub-99_T1w.nii.gz")
        touch(tmp_path, f"strange{'ab'[number % 2] * number}.nii.gz")
    words = survey.write_lines(check(str(tmp_path)))
    assert len(words.splitlines()) <= 40 and "more" in words


def test_layouts_whose_files_a_job_makes():
    seen = survey.survey_dataset(layouts.find_subjects("phantom", subjects=3), "phantom", [])
    assert (
        seen["counts"]["found"] == 3 and seen["unused"] == [] and "3 subjects in no folder" in survey.write_lines(seen)
    )


def test_simulated_scans_of_a_run_before_or_of_another_job_change_nothing(tmp_path):
    def look():
        return survey.survey_dataset(layouts.find_subjects("phantom", str(tmp_path), subjects=1), "phantom", [])

    before = look()
    for row in before["subjects"][0]["files"]:
        Path(row["file"]).parent.mkdir(exist_ok=True)
        nib.save(nib.Nifti1Image(np.ones((40, 44, 36), np.uint8), AFFINE), row["file"])
    assert look() == before


def test_dicom_folders_are_used_whole(tmp_path):
    touch(tmp_path, "P1/a/IM1.dcm", "P1/scan.zip", "loose.dcm")
    seen = survey.survey_dataset(layouts.find_subjects("dicom", str(tmp_path)), "dicom", [str(tmp_path)])
    assert sorted(row["example"].removeprefix(f"{tmp_path}/") for row in seen["unused"]) == ["P1/scan.zip", "loose.dcm"]
