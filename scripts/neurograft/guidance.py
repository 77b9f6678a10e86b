"""How to read quality control: what good and bad look like in numbers and pictures, and what to do."""

PICTURES = {
    "quality": (
        "Brain masks and alignment",
        "The yellow line follows the edge of the brain on every sequence; the blue line follows the registered brain "
        "and its ventricles; the last row shows the same place in every sequence.",
        "Brain or tumour outside the yellow line, skull inside it, or a blue outline that does not fit.",
    ),
    "candidates": (
        "Tumour candidates",
        "The first ranks lie on the tumour (inside the white outline where labels exist).",
        "The first ranks lie on vessels, ventricles or the brain's edge.",
    ),
    "segmentation": (
        "Delivered segmentation",
        "Colours cover what you would call oedema, enhancing rim and necrosis; orange and white outlines agree.",
        "Islands far from the tumour, a missing part, or a smooth blob that ignores the image.",
    ),
}
# beginning of a quality column: title, unit, good, bad, what to do
QUALITY = {
    "volume_ml": (
        "Brain mask volume", "ml",
        "adult brains around 1,100 to 1,700 ml, no point far from the others, the sequences alike",
        "a very small volume (the mask lost brain or tumour) or a very large one (it kept skull or neck)",
        "open the subject's page and follow the yellow outline; if brain is cut off, check the scan's orientation and "
        "coverage, or leave the subject out",
    ),
    "similarity": (
        "Registration similarity", "",
        "all subjects close together",
        "a point far below the others: that image probably does not lie where it should",
        "open the subject's page: the last row shows the same place in every sequence, the blue outline is the "
        "template's; if they do not match, try the other registration engine",
    ),
    "overlap": (
        "Overlap of brain masks", "",
        "all subjects close to 1 and to each other",
        "a point far below: a failed registration, or a mask that lost a part of the brain",
        "open the subject's page and look at both outlines",
    ),
    "contrast_to_noise": (
        "Contrast to noise", "",
        "points in one cloud; sites may differ a little",
        "a point far below: noise, motion or a very blurred image; two clouds: two scanners or protocols",
        "look at the scan itself; keep it unless the tumour cannot be seen, and remember it when its scores are low",
    ),
    "side": (
        "Longer side of the pictures as they came", "px",
        "pictures of one size, or sizes that do not go with the class",
        "two clouds: pictures of two origins, which a network may learn to tell apart by their sharpness",
        "compare the classes in quality.tsv",
    ),
    "foreground": (
        "Share of a picture that is not background", "",
        "one cloud",
        "points near 0 or 1: pictures cut to a detail, or with a bright background",
        "look at the picture; remove it from the folder if it shows no head",
    ),
    "contrast": (
        "Spread of the middle half of the grey values, as a share of their range", "",
        "one cloud",
        "several clouds: several sequences or scanners; where they go with the class, contrast alone gives it away",
        "compare the networks with the scores of the histograms alone",
    ),
}  # fmt: skip
UNKNOWN = ("", "points in one cloud", "a point far from the others", "look at the subject's page")
SEQUENCES = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR"}


def quality_words(column):
    """Give title, unit, good, bad and advice for a column of the quality table, and which image (`part`) it is of."""
    start = next((start for start in QUALITY if f"{column}_".startswith(f"{start}_")), column)
    words = QUALITY.get(start, (column.replace("_", " "), *UNKNOWN))
    part = column.removeprefix(start).strip("_")
    return dict(zip(("title", "unit", "good", "bad", "advice"), words)) | {"part": SEQUENCES.get(part, part)}


def name_quality(column):
    """Name a column of the quality table."""
    words = quality_words(column)
    return f"{words['title']}, {words['part']}" if words["part"] else words["title"]
