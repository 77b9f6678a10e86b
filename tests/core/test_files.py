"""Files are whole or not there."""

import os

import pytest

from neurograft.core import files


def test_whole_leaves_nothing_behind_when_it_fails(tmp_path):
    path = tmp_path / "a/out.txt"
    with files.whole(path) as part:
        part.write_text("old")
    with pytest.raises(RuntimeError), files.whole(path) as part:  # noqa: PT012 what is raised is raised inside
        part.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old" and os.listdir(path.parent) == ["out.txt"]
