"""Code reruns its steps, comments do not."""

import json
import os
import shutil
from pathlib import Path

import pytest

from neurograft.execution import code_digest

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A small package with two rooms: a script imports `roof.upper`, which imports `floor.lower`."""
    folder = tmp_path / "neurograft"
    for room in ("roof", "floor"):
        (folder / room).mkdir(parents=True)
        (folder / room / "__init__.py").write_text("")
    (folder / "__init__.py").write_text('__version__ = "1"\n')
    (folder / "floor/lower.py").write_text('"""Low."""\nVALUE = 1\n')
    (folder / "roof/upper.py").write_text(
        "def get():\n    from neurograft.floor.lower import VALUE\n    return VALUE\n"
    )
    (folder / "floor/other.py").write_text("VALUE = 1\n")
    (tmp_path / "step.py").write_text("from neurograft.roof import upper\nupper.get()\n")
    monkeypatch.setattr(code_digest, "PACKAGE", folder)
    return tmp_path


def digest(package):
    return code_digest.code_digest(package / "step.py")


def test_transitive_code_counts(package):
    before = digest(package)
    (package / "neurograft/floor/lower.py").write_text('"""Low."""\nVALUE = 2\n')
    assert digest(package) != before


@pytest.mark.parametrize(
    "statement",
    [
        "from neurograft.floor import lower",
        "from neurograft.floor.lower import VALUE",
        "import neurograft.floor.lower",
        "import neurograft.floor.lower as low",
        "from neurograft import floor\nfrom neurograft.floor import other, lower",
        "from . import upper\nfrom ..floor import lower",
    ],
)
def test_every_form_of_import_is_followed(package, statement):
    (package / "neurograft/roof/upper.py").write_text(f"{statement}\n")
    before = digest(package)
    (package / "neurograft/floor/lower.py").write_text("VALUE = 2\n")
    assert digest(package) != before


def test_comments_and_docstrings_do_not_count(package):
    before = digest(package)
    (package / "neurograft/floor/lower.py").write_text('"""Lower and better said."""\n\n# why\nVALUE = 1\n')
    assert digest(package) == before


def test_modules_that_are_not_imported_do_not_count(package):
    before = digest(package)
    (package / "neurograft/floor/other.py").write_text("VALUE = 2\n")
    assert digest(package) == before


def test_what_a_package_runs_when_imported_counts(package):
    before = digest(package)
    (package / "neurograft/floor/__init__.py").write_text("VALUE = 2\n")
    assert digest(package) != before


@pytest.mark.parametrize(
    "statement",
    [
        "from neurograft.floor import lowest",
        "from neurograft.cellar import lower",
        "from neurograft.floor.lowest import VALUE",
        "import neurograft.floor.lowest",
        "from neurograft import lower",
    ],
)
def test_a_module_that_does_not_exist_is_an_error(package, statement):
    (package / "neurograft/roof/upper.py").write_text(f"def get():\n    {statement}\n")
    with pytest.raises(code_digest.MissingModuleError, match="upper.py: there is no module neurograft"):
        digest(package)


def test_a_module_that_was_moved_is_found_again(package):
    memory = package / "memory.json"
    code_digest.digest_scripts(package, memory)
    (package / "neurograft/floor/lower.py").rename(package / "neurograft/floor/lowest.py")
    with pytest.raises(code_digest.MissingModuleError, match="lower"):
        code_digest.digest_scripts(package, memory)


def test_a_new_version_alone_reruns_nothing(package):
    (package / "neurograft/roof/upper.py").write_text("from neurograft import __version__\n")
    before = digest(package)
    (package / "neurograft/__init__.py").write_text('__version__ = "2"\n')
    assert digest(package) == before


def test_what_is_remembered_is_what_would_be_read(package):
    memory = package / "kept/memory.json"

    def digests():
        return code_digest.digest_scripts(package, memory)

    first = digests()
    assert first == {"step": digest(package)} == digests()
    lower = package / "neurograft/floor/lower.py"
    lower.write_text('"""Low."""\nVALUE = 2\n')
    # of the same size within the same tick of a coarse clock would be missed, which no hand does
    os.utime(lower, ns=(1, 1))
    assert digests() == {"step": digest(package)} != first
    for damaged in ("", "{", "3", "[4]", json.dumps({"a": 1})):
        memory.write_text(damaged)
        assert digests() == {"step": digest(package)}
    assert [path.name for path in memory.parent.iterdir()] == ["memory.json"]


def test_where_nothing_may_be_written_digests_are_given_all_the_same(package):
    (package / "file").write_text("")
    assert code_digest.digest_scripts(package, package / "file/memory.json") == {"step": digest(package)}


def test_every_script_has_a_digest():
    scripts = sorted(SCRIPTS.glob("*.py"))
    assert scripts
    assert len({code_digest.code_digest(script) for script in scripts}) == len(scripts)


def test_the_place_of_the_repository_does_not_count(tmp_path, monkeypatch):
    shutil.copytree(SCRIPTS, tmp_path / "scripts")
    here = code_digest.code_digest(SCRIPTS / "strip_skull.py")
    monkeypatch.setattr(code_digest, "PACKAGE", tmp_path / "scripts/neurograft")
    assert code_digest.code_digest(tmp_path / "scripts/strip_skull.py") == here
