"""What copies mean for a set of pictures: who stays together, what its own division leaks, examples to look at."""

import numpy as np
from PIL import Image, ImageDraw

from . import duplicates, images


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
    copied = duplicates.group_pictures(len(kept), links)
    for number, status in enumerate(kept):
        stated = status["columns"]["stated_patient"]
        if stated:
            links.append((first.setdefault(stated, number), number))
    for number, group in enumerate(duplicates.group_pictures(len(kept), links).tolist()):
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
    sizes = np.bincount(duplicates.group_pictures(len(kept), pairs[["first", "second"]].tolist()))
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
    with images.whole(path) as part:
        sheet.save(part)


COUNTED = ("images", "copied", "test", "leaked")
