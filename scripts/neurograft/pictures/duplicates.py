"""Copies among pictures: how they are found, who stays together, what the set's own division leaks."""

import numpy as np
from PIL import Image, ImageDraw
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from neurograft.core.files import whole

SIDE = 32  # pixels of a thumbnail
# In the set of ../shared/data/slices2d every pair above it that was looked at is one picture, or two neighbouring
# slices of one head, and no two of different classes come above 0.967.
LIKENESS = 0.98


def make_thumbnail(picture):
    """Shrink a picture to `SIDE` x `SIDE`, whatever its shape, by averaging.

    Parameters
    ----------
    picture : ndarray of float32, shape (rows, columns)
    """
    return np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BOX))


def find_copies(thumbnails, likeness=LIKENESS, block=512):
    """List the pairs of pictures that are copies, each pair once, in the orientation in which it is most alike.

    All pairs are compared, block by block: 20,000 pictures take 0.3 GB and 22 s of one core.

    Parameters
    ----------
    thumbnails : array_like, shape (N, side, side)
        None of them constant.
    likeness : float
        The least correlation of two copies.
    block : int
        How many pictures are held against all others at a time.

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
    against, found = unit.reshape(len(unit), -1), []
    for start in range(0, len(unit), block):
        for turn, turned in TURNS.items():
            rows = turned(unit[start : start + block])
            scores = rows.reshape(len(rows), -1) @ against[start:].T
            first, second = np.nonzero(scores >= likeness)
            later = second > first
            pairs = np.empty(int(later.sum()), PAIR)
            pairs["likeness"], pairs["turn"] = scores[first[later], second[later]], turn
            pairs["first"], pairs["second"] = first[later] + start, second[later] + start
            found.append(pairs)
    found = np.concatenate(found)
    found = found[np.lexsort((-found["likeness"], found["second"], found["first"]))]
    return found[np.unique(found[["first", "second"]], return_index=True)[1]]


def group_pictures(count, pairs):
    """Gather what is linked, directly or through others.

    Parameters
    ----------
    count : int
        How many pictures there are.
    pairs : sequence of (int, int)

    Returns
    -------
    ndarray of int, shape (count,)
        The first picture of each one's group.
    """
    pairs = np.asarray(pairs, int).reshape(-1, 2)
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    group = connected_components(links, directed=False)[1]
    return np.unique(group, return_index=True)[1][group] if count else group


PAIR = [("first", int), ("second", int), ("likeness", float), ("turn", "U32")]
# how a copy may lie; quarter turns did not occur
TURNS = {
    "as it is": lambda pictures: pictures,
    "mirrored": lambda pictures: pictures[:, :, ::-1],
    "upside down": lambda pictures: pictures[:, ::-1],
    "turned by 180 degrees": lambda pictures: pictures[:, ::-1, ::-1],
}


def name_groups(kept, pairs):
    """Give every picture its group as the column `patient`, and a note to each copy, in place.

    A group are copies, and pictures of one stated patient; its name is that of its first picture.

    Parameters
    ----------
    kept : list of dict
        Statuses of the included pictures, with `subject`, `notes` and `columns`, which has `stated_patient`.
    pairs : structured ndarray
        Of `duplicates.find_copies`, on these pictures.
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
    """Say what a reader has to know of a set before believing any score on it.

    Parameters
    ----------
    statuses : list of dict
        Of every file, groups named.
    pairs : structured ndarray
        Of `duplicates.find_copies`, on the included ones.

    Returns
    -------
    dict
        `found`, `included`, `stated` (pictures whose patient is stated), `units` (groups, of one picture or more);
        `groups` (of copies), `copied` (pictures in them), `largest`, `turned` (pairs that are mirrored or turned),
        `conflicts` (pairs of two classes); `test` and `leaked`: pictures of the set's own test part, and those with a
        copy in its training part; `classes` (class to `images`, `copied`, `test`, `leaked`); `pairs` (`first`,
        `second`, `likeness`, `turn`, `across`: whether they lie across the set's own parts).
    """
    kept = [status["columns"] | {"subject": status["subject"]} for status in statuses if status["included"]]
    sizes = np.bincount(group_pictures(len(kept), pairs[["first", "second"]].tolist()))
    leaked, listed = set(), []
    for first, second, likeness, turn in pairs.tolist():
        parts = {kept[number]["part"]: number for number in (first, second)}
        if set(parts) == {"train", "test"}:
            leaked.add(parts["test"])
        one = {"first": kept[first]["subject"], "second": kept[second]["subject"], "likeness": round(likeness, 4)}
        listed.append(one | {"turn": turn, "across": set(parts) == {"train", "test"}})
    copied = set(pairs["first"].tolist()) | set(pairs["second"].tolist())
    classes = {}
    for number, one in enumerate(kept):
        counts = classes.setdefault(one["class"], dict.fromkeys(COUNTED, 0))
        for key, counted in zip(
            COUNTED, (True, number in copied, one["part"] == "test", number in leaked), strict=True
        ):
            counts[key] += counted
    return {
        "found": len(statuses),
        "included": len(kept),
        "stated": sum(bool(one["stated_patient"]) for one in kept),
        "units": len({one["patient"] for one in kept}),
        "groups": int((sizes > 1).sum()),
        "largest": int(sizes.max(initial=0)),
        "turned": int((pairs["turn"] != "as it is").sum()),
        "conflicts": sum(kept[first]["class"] != kept[second]["class"] for first, second, *_ in pairs.tolist()),
        **{key: sum(counts[key] for counts in classes.values()) for key in COUNTED[1:]},
        "classes": dict(sorted(classes.items())),
        "pairs": listed,
    }


def draw_copies(path, files, pairs, read, most=8, side=150):
    """Draw some pairs of copies side by side, from the least alike to the most.

    Parameters
    ----------
    path : str or Path
        A PNG, written whole.
    files : dict of str to str
        Picture to its file.
    pairs : list of dict
        Of `describe_copies`; those across the set's own parts are drawn where there are any.
    read : callable
        File to grey values (rows, columns).
    most, side : int
        How many pairs, and pixels of a picture.
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
