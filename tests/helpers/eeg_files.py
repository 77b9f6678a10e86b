"""BIDS folders of recordings by name alone."""


def make_people(root, count, t1=()):
    """Make a BIDS folder of empty files."""
    for number in range(count):
        folder = root / f"sub-{number}/eeg"
        folder.mkdir(parents=True)
        for name in (f"sub-{number}_task-x_eeg.edf", f"sub-{number}_task-x_events.tsv", f"sub-{number}_electrodes.tsv"):
            (folder / name).touch()
        if number in t1:
            (root / f"sub-{number}/anat").mkdir()
            (root / f"sub-{number}/anat/sub-{number}_T1w.nii.gz").touch()
    return {"dataset": {"layout": "eeg", "root": str(root)}}
