"""Copies among pictures: how they are found and kept together, and how they leak across the set's own split."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from neurograft.core.files import whole

SIDE = 32  # pixels of a thumbnail
# In a public set of 860 slices, every inspected pair above this was one picture, or two neighbouring slices of one
# head, and no two pictures of different classes came above 0.967.
LIKENESS = 0.98


def make_thumbnail(picture):
    """Shrink a picture of any shape to `SIDE` x `SIDE` by averaging.

    Parameters
    ----------
    picture : ndarray of float32, shape (rows, columns)
    """
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))


def find_copies(thumbnails, likeness=LIKENESS, block=512):
    """List the pairs of pictures that are copies, each pair once, in the orientation with the highest correlation.

    All pairs are compared, block by block: 20,000 pictures take 0.3 GB and 22 s of one core.

    Parameters
    ----------
    thumbnails : array_like, shape (N, side, side)
        None of them may be constant.
    likeness : float
        The lowest correlation of two copies.
    block : int
        How many pictures are compared with all others at a time.

    Returns
    -------
    structured ndarray
        `first` < `second`, `likeness`, `turn` (a key of `TURNS`), ordered by the first two.
    """
    thumbnails = np.asarray(thumbnails, np.float32)
    if not len(thumbnails):
        return np.empty(0, PAIR)
    unit = thumbnails - thumbnails.mean(axis=(1, 2), keepdims=True)
    unit /= np.linalg.norm(unit, axis=(1, 2), keepdims=True)
    others, blocks = unit.reshape(len(unit), -1), []
    for start in range(0, len(unit), block):
        for turn, turned in TURNS.items():
            rows = turned(unit[start : start + block])
            scores = rows.reshape(len(rows), -1) @ others[start:].T
            first, second = np.nonzero(scores >= likeness)
            later = second > first
            pairs = np.empty(int(later.sum()), PAIR)
            pairs["likeness"], pairs["turn"] = scores[first[later], second[later]], turn
            pairs["first"], pairs["second"] = first[later] + start, second[later] + start
            blocks.append(pairs)
    copies = np.concatenate(blocks)
    copies = copies[np.lexsort((-copies["likeness"], copies["second"], copies["first"]))]
    return copies[np.unique(copies[["first", "second"]], return_index=True)[1]]


def group_pictures(count, pairs):
    """Group pictures that are linked, directly or through others.

    Parameters
    ----------
    count : int
        Number of pictures.
    pairs : sequence of (int, int)

    Returns
    -------
    ndarray of int, shape (count,)
        For each picture, the first picture of its group.
    """
    pairs = np.asarray(pairs, int).reshape(-1, 2)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    group = connected_components(links, directed=False)[1]
    return np.unique(group, return_index=True)[1][group] if count else group


PAIR = [("first", int), ("second", int), ("likeness", float), ("turn", "U32")]
# possible orientations of a copy; quarter turns were not observed
TURNS = {
    "as it is": lambda pictures: pictures,
    "mirrored": lambda pictures: pictures[:, :, ::-1],
    "upside down": lambda pictures: pictures[:, ::-1],
    "turned by 180 degrees": lambda pictures: pictures[:, ::-1, ::-1],
}


def name_groups(kept, pairs):
    """Write the group of every picture into its column `patient`, and a note for each copy, in place.

    A group consists of copies, or of pictures of one stated patient; its name is that of its first picture.

    Parameters
    ----------
    kept : list of dict
        Statuses of the included pictures, with `subject`, `notes` and `columns`, which contains `stated_patient`.
    pairs : structured ndarray
        From `duplicates.find_copies`, on these pictures.
    """
    links, first = pairs[["first", "second"]].tolist(), {}
    copied = group_pictures(len(kept), links)
    for number, status in enumerate(kept):
        stated = status["columns"]["stated_patient"]
        if stated:
            links.append((first.setdefault(stated, number), number))
    for number, group in enumerate(group_pictures(len(kept), links).tolist()):
        kept[number]["columns"]["patient"] = kept[group]["subject"]
        if copied[number] != number:
            kept[number]["notes"].append(f"a copy of {kept[copied[number]]['subject']}")


def describe_copies(statuses, pairs):
    """Summarise what a reader has to know about a set before believing any score on it.

    Parameters
    ----------
    statuses : list of dict
        Of all files, after `name_groups`.
    pairs : structured ndarray
        From `duplicates.find_copies`, on the included pictures.

    Returns
    -------
    dict
        `found`, `included`, `stated` (pictures whose patient is stated), `units` (groups of one or more pictures);
        `groups` (of copies), `copied` (pictures in them), `largest`, `turned` (pairs that are mirrored or turned),
        `conflicts` (pairs of two classes); `test` and `leaked`: pictures of the set's own test part, and those of them
        with a copy in its training part; `classes` (class to `images`, `copied`, `test`, `leaked`); `pairs` (`first`,
        `second`, `likeness`, `turn`, `across`: whether they lie across the set's own parts).
    """
    kept = [status["columns"] | {"subject": status["subject"]} for status in statuses if status["included"]]
    sizes = np.bincount(group_pictures(len(kept), pairs[["first", "second"]].tolist()))
    leaked, listed = set(), []
    for first, second, likeness, turn in pairs.tolist():
        parts = {kept[number]["part"]: number for number in (first, second)}
        if set(parts) == {"train", "test"}:
            leaked.add(parts["test"])
        pair = {"first": kept[first]["subject"], "second": kept[second]["subject"], "likeness": round(likeness, 4)}
        listed.append(pair | {"turn": turn, "across": set(parts) == {"train", "test"}})
    copied = set(pairs["first"].tolist()) | set(pairs["second"].tolist())
    classes = {}
    for number, picture in enumerate(kept):
        counts = classes.setdefault(picture["class"], dict.fromkeys(COUNTED, 0))
        counted = (True, number in copied, picture["part"] == "test", number in leaked)
        for key, count in zip(COUNTED, counted, strict=True):
            counts[key] += count
    return {
        "found": len(statuses),
        "included": len(kept),
        "stated": sum(bool(picture["stated_patient"]) for picture in kept),
        "units": len({picture["patient"] for picture in kept}),
        "groups": int((sizes > 1).sum()),
        "largest": int(sizes.max(initial=0)),
        "turned": int((pairs["turn"] != "as it is").sum()),
        "conflicts": sum(kept[first]["class"] != kept[second]["class"] for first, second, *_ in pairs.tolist()),
        **{key: sum(counts[key] for counts in classes.values()) for key in COUNTED[1:]},
        "classes": dict(sorted(classes.items())),
        "pairs": listed,
    }


def draw_copies(path, files, pairs, read, most=8, side=150):
    """Draw some pairs of copies side by side, from the least to the most similar.

    Parameters
    ----------
    path : str or Path
        A PNG, written as a whole.
    files : dict of str to str
        Picture to its file.
    pairs : list of dict
        From `describe_copies`; if there are pairs across the set's own parts, only these are drawn.
    read : callable
        File to grey values (rows, columns).
    most, side : int
        The largest number of pairs, and the side of a picture in pixels.
    """
    across = [pair for pair in pairs if pair["across"]] or pairs
    ranked = sorted(across, key=lambda pair: (pair["likeness"], pair["first"], pair["second"]))
    chosen = [ranked[k] for k in np.unique(np.linspace(0, len(ranked) - 1, min(most, len(ranked))).astype(int))]
    sheet = Image.new("L", (4 * (2 * side + 10), max(1, -(-len(chosen) // 4)) * (side + 24)))
    pen = ImageDraw.Draw(sheet)
    for number, pair in enumerate(chosen):
        left, top = number % 4 * (2 * side + 10), number // 4 * (side + 24)
        pen.text((left, top + 4), f"{pair['likeness']:.4f}  {pair['turn']}", fill=255)
        for place, name in enumerate((pair["first"], pair["second"])):
            picture = read(files[name])
            low, high = picture.min(), np.percentile(picture, 99.5)
            shown = Image.fromarray(np.uint8(255 * np.clip((picture - low) / max(high - low, 1e-6), 0, 1)))
            sheet.paste(shown.resize((side, side), Image.Resampling.BILINEAR), (left + place * side, top + 20))
    with whole(path) as part:
        sheet.save(part)


COUNTED = ("images", "copied", "test", "leaked")
