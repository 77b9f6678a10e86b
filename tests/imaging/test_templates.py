"""Templates are found without importing anything heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from neurograft.imaging import templates

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_mni152_is_carried_by_nilearn():
    assert Path(templates.template_path("MNI152")).is_file()


def test_the_tissue_maps_lie_beside_the_template():
    maps = templates.mni_tissue_maps()
    assert set(maps) == {"grey", "white"} and all(path.is_file() for path in maps.values())
    assert {path.parent for path in maps.values()} == {Path(templates.template_path("MNI152")).parent}


def test_a_file_is_its_own_path_and_none_is_none(tmp_path):
    mine = tmp_path / "my brain é.nii.gz"
    mine.touch()
    assert templates.template_path(str(mine)) == str(mine)
    assert templates.template_path("none") is None


def test_a_missing_template_is_named_with_the_known_ones(tmp_path):
    with pytest.raises(FileNotFoundError, match="MNI152, none"):
        templates.template_path(str(tmp_path / "absent.nii.gz"))


@pytest.mark.parametrize(("name", "label"), [("MNI152", "MNI152"), ("none", "reference"), ("/a/b.nii.gz", "custom")])
def test_space_labels_are_alphanumeric(name, label):
    assert templates.space_label(name) == label


def test_what_rules_import_while_parsing_is_light():
    """No rule may pull in torch, NumPy or nibabel: every job parses the Snakefile again."""
    code = (
        f"import sys; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from neurograft.evaluation import verdict_card\nfrom neurograft.execution import code_digest\n"
        "from neurograft.experiment import setup\n"
        "heavy = {'torch', 'monai', 'ants', 'nibabel', 'pandas', 'scipy', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(' '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
