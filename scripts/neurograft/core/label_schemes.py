"""The label schemes of public releases: which value means which tissue.

Read when the Snakefile is parsed: plain tables.
"""

LABEL_SCHEMES: dict[str, dict[str, int]] = {
    "brats2018": {"necrosis": 1, "oedema": 2, "enhancing": 4},
    "brats2023": {"necrosis": 1, "oedema": 2, "enhancing": 3},
    # after treatment: the resection cavity is no tumour
    "brats2024": {"necrosis": 1, "oedema": 2, "enhancing": 3, "cavity": 4},
    # children's tumours since 2024
    "bratsped2024": {"enhancing": 1, "necrosis": 2, "cyst": 3, "oedema": 4},
    "brats2015": {"necrosis": 1, "oedema": 2, "nonenhancing": 3, "enhancing": 4},
    # Medical Segmentation Decathlon, task 1
    "msd": {"oedema": 1, "necrosis": 2, "enhancing": 3},
    "binary": {"tumour": 1},
}
UNDATED = "bratsped"  # children's tumours, of a release whose year is not known
# what the names of a release may mean, likeliest first
RELEASES: dict[str, tuple[str, ...]] = {
    **{name: (name,) for name in LABEL_SCHEMES},
    "brats2023": ("brats2023", "brats2024"),
    UNDATED: ("brats2023", "bratsped2024"),
}
