"""The negative control keeps every value and nothing that was learnt."""

from pathlib import Path

import torch

from neurograft.sources import shuffling, table, weights

TABLE = table.read_sources(Path(__file__).parents[2] / "config/sources.tsv")
BASE = TABLE["efficientnet-lite0"]


def test_values_stay_and_their_order_goes():
    state = {"a": torch.arange(60.0).reshape(3, 4, 5), "b": torch.tensor(7)}
    shuffled = shuffling.shuffle_weights(state, 0)
    assert shuffled["a"].shape == (3, 4, 5) and not torch.equal(shuffled["a"], state["a"])
    assert torch.equal(shuffled["a"].flatten().sort().values, torch.arange(60.0))
    assert torch.equal(shuffled["b"], state["b"])
    assert torch.equal(shuffling.shuffle_weights(state, 0)["a"], shuffled["a"])
    assert not torch.equal(shuffling.shuffle_weights(state, 1)["a"], shuffled["a"])


def test_it_is_a_source_like_any_other(tmp_path):
    row, base = TABLE["shuffled-lite0"], weights.SourceFiles(BASE, weights.locate(BASE))
    manifest = shuffling.shuffle_source(tmp_path, row, base, 3)
    assert manifest["base"] == "efficientnet-lite0" and manifest["subjects"] == []
    made = weights.load_weights(tmp_path / "weights", row["sha256"])
    original = weights.load_weights(base.weights, BASE["sha256"])
    assert made.keys() == original.keys()
    name = max(original, key=lambda name: original[name].numel())
    first, second = (state[name].flatten().float() for state in (made, original))
    assert torch.equal(first.sort().values, second.sort().values)
    assert abs(float(torch.corrcoef(torch.stack([first, second]))[0, 1])) < 0.01
