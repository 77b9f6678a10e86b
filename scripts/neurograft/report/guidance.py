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
    "signal_to_noise": (
        "Signal to noise", "",
        "points in one cloud; measured only where there is air around the head",
        "a point far below: a fast or moved scan, a faulty coil; two clouds: two scanners or protocols",
        "look at the scan itself; keep it unless the tumour cannot be seen",
    ),
    "sharpness": (
        "Sharpness in the plane", "",
        "points in one cloud, around 0.5; thick slices and large voxels lie lower",
        "a point far below, towards 0.33: a blurred, moved or heavily smoothed scan, or much larger voxels",
        "look at the scan itself: blurred edges hide small tumours, and a network learns the blur with them",
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
    "agreement": (
        "Agreement with the second opinion", "",
        "0.95 or more, and all subjects close together",
        "under 0.90: two tools see different brains",
        "open the subject's page: the colours on the reference show where only one of the two sees brain",
    ),
    "cut_mm2": (
        "Tissue that the mask cuts", "mm2",
        "0, or a few mm2 where cortex or vessels reach the edge; up to 160 on T1, T2 and FLAIR together",
        "more than that, and an alarm in the column look: beside what looks like tumour the mask's border runs through "
        "tissue that goes on like it",
        "open the subject's page and look whether the mask cut tumour off; if so, try another engine of "
        "strip_skull, or leave the subject out (dataset.exclude)",
    ),
    "volume_change": (
        "Volume change of the tumour candidates by deformation", "",
        "lesion near 0 and within 0.05 either way; unheld is what the deformation alone would have made of it",
        "lesion beyond 0.05: the deformation was then not used",
        "look at the tumour in template space beside the native one; deformable: false keeps the affine alignment",
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
# figure of the transfer chapter: good, bad, what to do
TRANSFER = {
    "curves": (
        "a coloured line that lies above the black one (scratch) and above the dashed one (frozen-random) at every "
        "size, most at the left",
        "lines inside each other's intervals: nothing is shown; a coloured line below the black one at the right: with "
        "enough labels the source gets in the way",
        "if the black line still climbs at its right end, more labels help more than another source",
    ),
    "labels": (
        "scratch needs many more patients than n, and the whole interval lies above n",
        "an interval around n, or below it; 'not reached' means that scratch does not get there with all its patients",
        "add a training size between the two that the interval spans",
    ),
    "overfitting": (
        "points left of the line: a smaller gap than scratch's in the same fold",
        "points right of it, and cells under a warning: the network knows its training patients by heart",
        "use a strategy that trains less (frozen, lora, l2-sp), fewer steps, or more patients",
    ),
    "generalisation": (
        "a drop near 0, and points right of the line: less is lost at unseen sites than with scratch",
        "a large drop: what was measured inside the sites will not hold at another hospital",
        "before use at another site, score the network on some of its patients; adabn or coral may help",
    ),
    "layers": (
        "small changes and similarities near 1 in the first stages, larger changes towards the output: the source's "
        "features were kept and adapted",
        "similarities near 0 in all stages: the source was overwritten, and its pretraining is spent; bars where "
        "layers should be frozen",
        "if all was overwritten, lower the learning rate or freeze more (lp-ft, discriminative, l2-sp)",
    ),
    "audit": (
        "an interval of tau above 0 ('follows the gain')",
        "'do not use', or 'too few sources': the scores then rank sources no better than a guess",
        "train the candidates and compare them on your own patients",
    ),
    "privacy": (
        "an AUC whose interval contains 0.5, like that of members against members",
        "'members can be told': someone with the network can tell who was in its training",
        "share the network only as the patients' data may be shared",
    ),
    "fairness": (
        "a gap about as large as expected by chance",
        "an adjusted p below 0.05: a group of patients is served worse than chance explains",
        "look at that group's scans and tumours before blaming the group; report its scores apart",
    ),
    "elsewhere": (
        "differences like those of the main comparison: the answer does not hang on the template or on seen sites",
        "another sign, or a mean far below that of the main comparison",
        "trust the space and split that your own use will have",
    ),
    "errors": (
        "false verdicts at most 8 %, coverage 92 to 98 %",
        "more false verdicts than that near this run's numbers, or a small power: a true help is then missed",
        "more patients and at least 5 folds raise the power; fewer comparisons do too",
    ),
}
UNKNOWN = ("", "points in one cloud", "a point far from the others", "look at the subject's page")
PARTS = {"t1": "T1", "t1c": "T1c", "t2": "T2", "flair": "FLAIR", "tissue": "T1, T2 and FLAIR together"}


def quality_words(column):
    """Give title, unit, good, bad and advice for a column of the quality table, and which image (`part`) it is of."""
    start = next((start for start in QUALITY if f"{column}_".startswith(f"{start}_")), column)
    words = QUALITY.get(start, (column.replace("_", " "), *UNKNOWN))
    part = column.removeprefix(start).strip("_")
    return dict(zip(("title", "unit", "good", "bad", "advice"), words)) | {"part": PARTS.get(part, part)}


def name_quality(column):
    """Name a column of the quality table."""
    words = quality_words(column)
    return f"{words['title']}, {words['part']}" if words["part"] else words["title"]
