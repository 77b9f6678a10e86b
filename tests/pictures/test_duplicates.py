"""Copies stay together, and those that cross a set's own parts are counted."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from helpers.fake_images import make_head
from neurograft.cohort import splits
from neurograft.pictures import duplicates


def status(subject, name="glioma", part="", stated="", included=True):
    columns = {"class": name, "part": part, "stated_patient": stated, "patient": ""}
    return {"subject": subject, "included": included, "notes": [], "columns": columns}


def pairs_of(*pairs):
    made = np.zeros(len(pairs), duplicates.PAIR)
    for row, pair in zip(made, pairs, strict=True):
        filled = pair if len(pair) == 4 else (*pair, 0.99, "as it is")
        row["first"], row["second"], row["likeness"], row["turn"] = filled
    return made


def test_groups_are_patients_and_a_stated_patient_joins_them():
    kept = [status("a"), status("b", stated="P1"), status("c"), status("d", stated="P1"), status("e")]
    duplicates.name_groups(kept, pairs_of((0, 1), (2, 4)))
    assert [one["columns"]["patient"] for one in kept] == ["a", "a", "c", "a", "c"]
    assert [one["notes"] for one in kept] == [[], ["a copy of a"], [], [], ["a copy of c"]]


def test_what_crosses_the_parts_is_counted_by_picture_and_class():
    statuses = [
        status("out", included=False),
        status("a", "glioma", "train"),
        status("b", "glioma", "test"),
        status("c", "none", "test"),
        status("d", "none", "test"),
        status("e", "glioma", "train"),
    ]
    # b has two copies in training and counts once; c and d are copies within the test part; d and e differ in class
    pairs = pairs_of((0, 1), (0, 4), (1, 4, 0.999, "mirrored"), (2, 3), (3, 4))
    duplicates.name_groups([one for one in statuses if one["included"]], pairs)
    record = duplicates.describe_copies(statuses, pairs)
    assert (record["found"], record["included"], record["groups"], record["largest"]) == (6, 5, 1, 5)
    assert (record["test"], record["leaked"], record["turned"], record["conflicts"]) == (3, 2, 1, 1)
    assert record["classes"] == {
        "glioma": {"images": 3, "copied": 3, "test": 1, "leaked": 1},
        "none": {"images": 2, "copied": 2, "test": 2, "leaked": 1},
    }
    assert record["units"] == 1 and record["pairs"][2] == {
        "first": "b", "second": "e", "likeness": 0.999, "turn": "mirrored", "across": True,
    }  # fmt: skip


def test_without_copies_and_without_pictures():
    kept = [status("a"), status("b")]
    duplicates.name_groups(kept, pairs_of())
    record = duplicates.describe_copies(kept, pairs_of())
    assert (record["groups"], record["copied"], record["largest"], record["units"]) == (0, 0, 1, 2)
    assert duplicates.describe_copies([], pairs_of())["included"] == 0


def test_no_group_is_in_two_folds():
    names = [f"s{number:02d}" for number in range(40)]
    kept = [status(name, "glioma" if number < 20 else "none") for number, name in enumerate(names)]
    duplicates.name_groups(kept, pairs_of((0, 1), (1, 2), (5, 19), (20, 39), (7, 8)))
    rows = [
        {"participant_id": one["subject"], "included": "true", "labels": "false", "sequences": "image", "site": "",
         "scheme": "", **one["columns"]}
        for one in kept
    ]  # fmt: skip
    split = splits.split_cohort(rows, target="class", folds=3)
    task = split["tasks"]["classification"]
    assert task["trainable"] and task["sequences"] == ["image"] and task["classes"] == ["glioma", "none"]
    owner = {one["subject"]: one["columns"]["patient"] for one in kept}
    for fold in task["folds"]:
        assert not {owner[name] for name in fold["test"]} & {owner[name] for name in fold["train"]}
    assert not split["tasks"]["segmentation"]["trainable"]


def test_examples_are_drawn_also_where_there_are_none(tmp_path):
    heads = {name: make_head(number).astype(np.float32) for number, name in enumerate("abcd")}
    common = {"likeness": 0.99, "turn": "mirrored"}
    pairs = [{"first": a, "second": b, "across": b == "c"} | common for a, b in ("ab", "ac")]
    duplicates.draw_copies(tmp_path / "some.png", {name: name for name in heads}, pairs, heads.get)
    shown = np.asarray(Image.open(tmp_path / "some.png"))
    assert shown[30:, :300].any() and not shown[30:, 320:].any()  # only the pair across the parts
    duplicates.draw_copies(tmp_path / "none.png", {}, [], heads.get)
    assert not np.asarray(Image.open(tmp_path / "none.png")).any()


HEADS = [make_head(seed).astype(np.float32) for seed in range(12)]


def compress(picture, quality=30):
    held = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(held, "JPEG", quality=quality)
    return np.asarray(Image.open(held), np.float32)


def resize(picture, size):
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BILINEAR))


CHANGES = {
    "the same": lambda picture: picture,
    "brighter": lambda picture: np.clip(1.3 * picture + 20, 0, 255),
    "16 bits": lambda picture: picture * 257,
    "compressed anew": compress,
    "smaller": lambda picture: resize(picture, (60, 60)),
    "of another shape": lambda picture: resize(picture, (120, 90)),
}


def find(pictures, **options):
    return duplicates.find_copies([duplicates.make_thumbnail(one) for one in pictures], **options)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("turn", duplicates.TURNS)
def test_a_planted_copy_is_found_and_how_it_lies(change, turn):
    copy = duplicates.TURNS[turn](CHANGES[change](HEADS[5])[None])[0]
    pairs = find([*HEADS, np.ascontiguousarray(copy)])
    assert pairs[["first", "second"]].tolist() == [(5, 12)]
    assert pairs["turn"][0] == turn and pairs["likeness"][0] > duplicates.LIKENESS


def test_blocks_change_nothing():
    pictures = [*HEADS, HEADS[0], HEADS[7], HEADS[0][::-1].copy()]
    whole = find(pictures)
    assert whole[["first", "second"]].tolist() == [(0, 12), (0, 14), (7, 13), (12, 14)]
    for block in (1, 4, 14):
        parts = find(pictures, block=block)
        assert parts[["first", "second", "turn"]].tolist() == whole[["first", "second", "turn"]].tolist()
        assert np.allclose(parts["likeness"], whole["likeness"], atol=1e-5)


def test_no_pictures_have_no_copies():
    assert len(duplicates.find_copies([])) == 0
    assert duplicates.group_pictures(0, []).tolist() == []


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.lists(st.tuples(*[st.integers(0, n - 1)] * 2)))))
def test_groups_are_what_is_linked(drawn):
    count, pairs = drawn
    group = duplicates.group_pictures(count, pairs)
    assert all(group[a] == group[b] for a, b in pairs)
    assert all(group[first] == first and first <= number for number, first in enumerate(group))
    # as many groups as a count by hand leaves
    label = list(range(count))
    for a, b in pairs:
        label = [label[a] if one == label[b] else one for one in label]
    assert len(set(label)) == len(set(group.tolist()))
