"""What a dataset itself says its label values mean."""

import json

import pytest

from helpers.fake_files import touch
from neurograft.cohort import layouts
from neurograft.cohort.label_tables import match_scheme


@pytest.mark.parametrize(
    ("names", "scheme"),
    [
        ({"background": 0, "NCR/NET": 1, "ED": 2, "ET": 4}, "brats2018"),
        ({"necrotic core": 1, "peritumoral edema": 2, "enhancing tumor": 3}, "brats2023"),
        ({"edema": 1, "non-enhancing tumor": 2, "enhancing tumour": 3}, "msd"),
        ({"NETC": "1", "SNFH": "2", "ET": "3", "RC": "4"}, "brats2024"),
        ({"lesion": 1}, "binary"),
        ({"background": 0, "Anterior": 1, "Posterior": 2}, ""),
        ({"edema": 1, "oedema around": 2}, ""),
        ({"edema": 7}, ""),
        ({"whole tumor": [1, 2]}, ""),
        ({}, ""),
    ],
)
def test_names_of_tissues_make_a_scheme(names, scheme):
    assert match_scheme(names) == scheme


def test_tables_of_bids_and_of_msd(tmp_path):
    touch(tmp_path, "bids/sub-01/anat/sub-01_T1w.nii.gz", "bids/derivatives/manual/sub-01/sub-01_dseg.nii.gz")
    table = "index\tname\n1\tedema\n2\tnon-enhancing\n3\tenhancing\n"
    (tmp_path / "bids/derivatives/manual/dseg.tsv").write_text(table)
    (found,) = layouts.find_subjects("bids", str(tmp_path / "bids")).values()
    assert found["scheme"] == "msd"
    touch(tmp_path, "msd/imagesTr/a.nii.gz", "msd/labelsTr/a.nii.gz")
    labels = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}
    (tmp_path / "msd/dataset.json").write_text(json.dumps({"labels": labels}))
    (found,) = layouts.find_subjects("decathlon", str(tmp_path / "msd"), sequences=["mri"]).values()
    assert found["scheme"] == "msd"
