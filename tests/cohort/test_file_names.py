"""What file and folder names say."""

from pathlib import Path

import pytest

from neurograft.cohort import file_names


def touch(root, *paths):
    """Make empty files, and their folders."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


@pytest.mark.parametrize(
    ("name", "label"),
    [("sub-01", "01"), ("Brats18_CBICA_ABM_1", "Brats18CBICAABM1"), ("Müller, Jörg", "MullerJorg"), ("病人 3", "3")],
)
def test_subject_label(name, label):
    assert file_names.subject_label(name) == label


def test_files_of_any_depth_and_their_digest(tmp_path):
    touch(tmp_path, "b/c/IM2", "b/IM1", "a", ".DS_Store", "b/.git/x")
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    listed = [str(Path(path).relative_to(tmp_path)) for path, _ in file_names.list_files(tmp_path)]
    assert listed == ["a", "b/IM1", "b/c/IM2"]
    before = file_names.digest_files(tmp_path)
    touch(tmp_path, "b/.DS_Store")
    assert file_names.digest_files(tmp_path) == before
    (tmp_path / "b/IM1").write_text("other")
    after = file_names.digest_files(tmp_path)
    (tmp_path / "b/IM1").rename(tmp_path / "b/IM0")
    assert len({before, after, file_names.digest_files(tmp_path)}) == 3
