"""Export the cohort and its folds for other programs: nnU-Net's raw data set, MONAI's datalist and a plain table."""

import csv
import os
import shutil
from pathlib import Path

import numpy as np

from neurograft import __version__
from neurograft.core import files
from neurograft.core.labels import count_tissues, tissues_of
from neurograft.core.split_file import SplitFile, count_repeats, repeat_of
from neurograft.exchange.prediction_files import DATASET_FILE, FOLDS_FILE, FOLDS_KEY, digest_folds
from neurograft.imaging import nifti
from neurograft.imaging.typed import load_nifti

IMAGES, LABELS, SPLITS_FILE = "imagesTr", "labelsTr", "splits_final.json"
DATALIST, TABLE, README_FILE = "monai_datalist.json", "folds.csv", "README.txt"
README = """The {subjects} labelled scans and {folds} folds of this cohort for other programs, by neurograft {version}.

All sequences lie on the grid of the reference scan's own file, without skull; one that is missing is zero throughout.
Labels are counted from 1: {labels}.

nnU-Net v2:
    export nnUNet_raw=$PWD/nnUNet_raw nnUNet_preprocessed=/somewhere/preprocessed nnUNet_results=/somewhere/results
    nnUNetv2_plan_and_preprocess -d {number} --verify_dataset_integrity
    cp nnUNet_raw/{name}/{splits} $nnUNet_preprocessed/{name}/
    nnUNetv2_train {number} 3d_fullres FOLD          # for FOLD in 0 to {last}
    then name the folder that holds fold_0 to fold_{last} as `predictions`.
MONAI: {datalist}, as Auto3DSeg reads it; `fold` is the one in which a scan is *tested*.
Anything else: {table}.
{repeated}
Every mask must be made by a network that trained on nobody of the patient's fold. {folds_file} says which folds
these are; put a copy of it beside the masks, and neurograft compares it with its own.
"""
REPEATED = """
The scans were divided {repeats} times anew; the folds of all partitions are numbered in a row. Train all of them, and
leave the masks in the folders fold_0 to fold_{last}: every scan has {repeats}. MONAI's file knows the first partition.
"""


def gather_exported(folder, split: SplitFile, exported, number=501, name="neurograft"):
    """Arrange the exported scans of the segmentation's patients for other programs.

    Parameters
    ----------
    folder : str or Path
        Written atomically.
    split : SplitFile
    exported : dict of str to path
        Subject to the folder written by `exported_scans.export_scans`; subjects in no fold are ignored.
    number, name
        Number and name of nnU-Net's data set.

    Raises
    ------
    ValueError
        If the cohort has no folds to export, with the reason.
    """
    task = split["tasks"]["segmentation"]
    if not task["trainable"]:
        raise ValueError(f"there are no folds to export: {task['reason']}")
    dataset = f"Dataset{number:03d}_{name}"
    raw = Path("nnUNet_raw") / dataset
    tested = {subject: {} for subject in task["subjects"]}
    for index, fold in enumerate(task["folds"]):
        # of several partitions the first has the plain name
        column = f"fold_repeat_{repeat_of(fold) + 1}" if repeat_of(fold) else "fold"
        for subject in fold["test"]:
            tested[subject][column] = index
    rows = []
    with files.whole(folder) as part:
        for place in (IMAGES, LABELS):
            (part / raw / place).mkdir(parents=True)
        for subject in task["subjects"]:
            source, label = Path(exported[subject]), str(raw / LABELS / f"{subject}.nii.gz")
            _count_labels(source / "labels.nii.gz", part / label, split["schemes"][subject])
            images = {}
            for channel, sequence in enumerate(task["sequences"]):
                images[sequence] = str(raw / IMAGES / f"{subject}_{channel:04d}.nii.gz")
                _place(source / f"{sequence}.nii.gz", part / images[sequence], part / label)
            address = {"subject": subject, "patient": task["patients"][subject]} | tested[subject]
            rows.append(address | images | {"labels": label})
        _describe(part, part / raw, split, rows)
        (part / README_FILE).write_text(_explain(split, number, dataset), encoding="utf-8")


def _describe(part, raw, split: SplitFile, rows):
    """Write the files that describe the images and list the subjects of each fold."""
    task = split["tasks"]["segmentation"]
    digest = digest_folds(task["folds"])
    described = {
        "channel_names": {str(channel): sequence for channel, sequence in enumerate(task["sequences"])},
        "labels": {"background": 0} | count_tissues(split["scheme"]),
        "numTraining": len(rows),
        "file_ending": ".nii.gz",
        FOLDS_KEY: digest,
    }
    files.write_json(raw / DATASET_FILE, described)
    dealt = [{"train": list(fold["train"]), "val": list(fold["test"])} for fold in task["folds"]]
    files.write_json(raw / SPLITS_FILE, dealt)
    listed = [
        {"image": [row[sequence] for sequence in task["sequences"]], "label": row["labels"], "fold": row["fold"]}
        for row in rows
    ]
    files.write_json(part / DATALIST, {"training": listed, "testing": []})
    with open(part / TABLE, "w", newline="", encoding="utf-8") as table:
        writer = csv.DictWriter(table, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    files.write_json(part / FOLDS_FILE, {"hash": digest, "folds": len(dealt), "splits": split["hash"]})


def _explain(split: SplitFile, number, dataset):
    """Write what a reader of the folder needs to know."""
    task = split["tasks"]["segmentation"]
    tissues = [f"{value} {tissue}" for tissue, value in count_tissues(split["scheme"]).items()]
    facts = {"subjects": len(task["subjects"]), "folds": len(task["folds"]), "last": len(task["folds"]) - 1}
    facts |= {"number": number, "name": dataset, "labels": ", ".join(tissues), "version": __version__}
    repeats = count_repeats(task["folds"])
    facts |= {"repeated": REPEATED.format(repeats=repeats, **facts) if repeats > 1 else ""}
    return README.format(**facts, splits=SPLITS_FILE, datalist=DATALIST, table=TABLE, folds_file=FOLDS_FILE)


def _count_labels(source, target, scheme):
    """Write a label map with consecutive values from 1."""
    labels = load_nifti(source)
    table = np.zeros(256, np.uint8)
    values = tissues_of(scheme)
    for tissue, number in count_tissues(scheme).items():
        table[values[tissue]] = number
    nifti.write_image(target, nifti.image(table[np.asanyarray(labels.dataobj).astype(np.uint8)], labels.affine))


def _place(source, target, label):
    """Hard-link a scan to a second name, or copy it if the file system has no links; write zeros if it is missing."""
    if not source.exists():
        grid = load_nifti(label)
        nifti.write_image(target, nifti.image(np.zeros(grid.shape, np.int16), grid.affine))
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
