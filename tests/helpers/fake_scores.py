"""Features of a source, as files."""

import json

import numpy as np


def write_source(folder, apart, seed=0, head=True, patients=3, reason=""):
    """A source's files, whose features put the classes `apart` standard deviations from each other."""
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    (folder / "source.json").write_text(json.dumps({"reason": reason}))
    for number in range(patients):
        labels, slice_labels = np.repeat([0, 1], 60).astype(np.uint8), np.repeat([1, 0], 8).astype(np.uint8)
        packed = {"labels": labels, "slice_labels": slice_labels}
        for place, width in ((1, 4), (2, 9)):
            packed[f"map{place}"] = (random.normal(size=(120, width)) + apart * labels[:, None]).astype(np.float32)
        if head:
            sure = 1 / (1 + np.exp(-apart * (2 * slice_labels - 1.0) + random.normal(size=16)))
            packed["probabilities"] = np.stack([sure, 1 - sure], 1).astype(np.float32)
        np.savez(folder / f"sub-P{number}.npz", **packed)
    return folder
