"""What a predicted mask shows of its own quality, measured without its label.

Each network of the delivered arm is measured by itself: for a labelled patient the one that never saw him, for an
unlabelled one each of all folds. So both are measured alike, and what is learnt of the first holds for the second.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy import ndimage

from neurograft.core.cells import take_cell
from neurograft.core.labels import region_masks
from neurograft.core.tables import parse_number
from neurograft.delivery import chances
from neurograft.execution import logs
from neurograft.experiment import cell_folder
from neurograft.imaging.typed import label_pieces
from neurograft.training import slices

THRESHOLD = 128  # of stored probabilities, 0 to 255
DOUBTFUL = (64, 191)  # a quarter and three quarters
RING = 2  # voxels around the mask that it is compared with
SURE = (25, 230)  # a tenth and nine tenths
FEATURES = ("volume", "confidence", "stability", "largest", "roughness", "contrast", "agreement")
LABEL_MEASURES = ("core_outside", "label_unseen", "overlap")
LABEL_VOLUME = "label_ml"
EXPECTED_DICE = "expected_dice"


def measure_mask(predicted, spacing, images=None, peers=()):
    """Measure one region of one network's prediction.

    Parameters
    ----------
    predicted : ndarray of uint8, shape (X, Y, Z)
        Probabilities, 0 to 255 for 0 to 1.
    spacing : array_like, shape (3,)
        Voxel sizes in mm.
    images : ndarray, shape (C, X, Y, Z), optional
        Normalised sequences, 0 outside the brain.
    peers : sequence of ndarray of uint8, shape (X, Y, Z)
        The same region as networks of other arms predict it, trained on the same patients.

    Returns
    -------
    dict of str to float
        `FEATURES`: logarithm of 1 + volume in ml; mean probability in the mask; Dice of the masks at a quarter and at
        three quarters; share of the largest piece; logarithm of surface / volume^(2/3); mean absolute difference of
        the sequences between mask and its surroundings; mean Dice with the peers, NaN without any. Of an empty mask
        the confidence is the highest probability, and what needs a mask is 0.
    """
    mask = predicted >= THRESHOLD
    count, spacing = int(mask.sum()), np.asarray(spacing, float)
    outer, inner = (np.count_nonzero(predicted >= level) for level in DOUBTFUL)
    found = dict.fromkeys(FEATURES, 0.0)
    found["stability"] = 2 * inner / (inner + outer) if outer else 1.0
    found["confidence"] = float(predicted[mask].mean() if count else predicted.max(initial=0)) / 255
    found["agreement"] = float(np.mean([_overlap(mask, peer >= THRESHOLD) for peer in peers])) if len(peers) else np.nan
    if count:
        volume = count * float(np.prod(spacing))
        pieces, _ = label_pieces(mask)
        found["volume"] = float(np.log1p(volume / 1000))
        found["largest"] = float(np.bincount(pieces.ravel())[1:].max() / count)
        found["roughness"] = float(np.log(_surface(mask, spacing) / volume ** (2 / 3)))
        found["contrast"] = _contrast(mask, images) if images is not None else 0.0
    return found


def measure_label(predicted, label):
    """Measure how much one network's prediction contradicts a label.

    Parameters
    ----------
    predicted : ndarray of uint8, shape (X, Y, Z)
    label : ndarray of bool, the same shape

    Returns
    -------
    dict of str to float
        `LABEL_MEASURES`, shares from 0 to 1: of what the network is sure of, the part outside the label; of the label,
        the part that the network is sure is none; 1 - Dice. Shares of nothing are 0.
    """
    core, absent = predicted >= SURE[1], predicted < SURE[0]
    return {
        "core_outside": float(np.count_nonzero(core & ~label) / max(1, np.count_nonzero(core))),
        "label_unseen": float(np.count_nonzero(label & absent) / max(1, np.count_nonzero(label))),
        "overlap": 1 - _overlap(predicted >= THRESHOLD, label),
    }


def expect_dice(chances, volume=None) -> float:
    """Compute the Dice that a mask would have if its probabilities were right.

    Parameters
    ----------
    chances : array_like
        Probabilities of voxels or other parts; the mask is where they exceed one half. If unsigned 8-bit integers, 0
        to 255 for 0 to 1.
    volume : array_like, optional
        Of each part.

    Returns
    -------
    float
        1 if all probabilities are 0.
    """
    chances = np.asarray(chances)
    chances = chances / 255 if chances.dtype == np.uint8 else chances.astype(float)
    volume = np.ones_like(chances) if volume is None else np.asarray(volume, float)
    return weigh_dice(chances > 0.5, chances, volume)


def weigh_dice(mask, shares, volume) -> float:
    """Compute the Dice of a mask of whole parts with the share of each part that is inside.

    Parameters
    ----------
    mask : ndarray of bool
    shares, volume : ndarray, the same shape

    Returns
    -------
    float
        1 if neither has any volume.
    """
    inside = shares * volume
    total = volume[mask].sum() + inside.sum()
    return float(2 * inside[mask].sum() / total) if total else 1.0


def _overlap(first, second):
    """Compute the Dice of two masks; 1 if both are empty, as in scores."""
    total = np.count_nonzero(first) + np.count_nonzero(second)
    return 2 * np.count_nonzero(first & second) / total if total else 1.0


def _surface(mask, spacing):
    """Compute the area of the faces between a mask and what is not, in mm2."""
    padded = np.pad(mask, 1)
    faces = [np.count_nonzero(np.diff(padded, axis=axis)) for axis in range(3)]
    return float(sum(number * np.prod(np.delete(spacing, axis)) for axis, number in enumerate(faces)))


def _contrast(mask, images):
    """Compare the mean of each sequence inside a mask with that of its surroundings in the brain."""
    ring = ndimage.binary_dilation(mask, iterations=RING) & ~mask & images.any(axis=0)
    if not ring.any():
        return 0.0
    inside, around = (images[:, where].astype(np.float32).mean(axis=1) for where in (mask, ring))
    given = images.any(axis=(1, 2, 3))  # a missing sequence is 0 everywhere
    return float(np.abs(inside - around)[given].mean())


def measure_masks(folders, peer_folders, split, files):
    """Measure what each network of the delivered arm predicted.

    Parameters
    ----------
    folders, peer_folders : list of str or Path
        The cells of the delivered arm, one for each fold; those of its peers.
    split : SplitFile
    files : dict of str to str
        Subject to the folder of its slices (`slices.find_slices`).

    Returns
    -------
    rows : list of dict
        `COLUMNS`: one for each network, subject that it predicted, and region; `LABEL_MEASURES` of labelled ones.
    counted : list of dict
        `chances.COUNTED` of labelled subjects.
    """
    manifests = {folder: cell_folder.read_manifest(folder) for folder in folders}
    trained = {folder: cell for folder, cell in manifests.items() if cell["trained"]}
    peers = _choose_peers(trained, peer_folders)
    sequences = split["tasks"]["segmentation"]["sequences"]
    missing = split["tasks"]["segmentation"].get("incomplete", {})
    rows, counted = [], []
    for folder, cell in trained.items():
        for subject in [*cell.get("test", ()), *cell.get("unlabelled", ())]:
            labelled, scheme = subject in cell.get("test", ()), split["schemes"][subject]
            case = slices.segmentation_case(files[subject], sequences, scheme, labelled, missing.get(subject, ()))
            images = slices.read_channels(case).transpose(1, 2, 3, 0)
            packed = cell_folder.read_packed(folder, subject)
            others = [cell_folder.read_packed(beside, subject) for beside in peers[folder]]
            truth = region_masks(case["labels"][:].transpose(1, 2, 0), scheme) if labelled else {}
            for region in cell.get("outputs", ()):
                beside = [other[region] for other in others]
                found = {EXPECTED_DICE: expect_dice(packed[region])}
                found |= measure_mask(packed[region], case["index"]["spacing"], images, beside)
                if labelled:
                    found |= measure_label(packed[region], truth[region])
                    found[LABEL_VOLUME] = float(truth[region].sum() * np.prod(case["index"]["spacing"]) / 1000)
                    counts = chances.count_chances(packed[region], truth[region])
                    counted += [{"subject": subject, "region": region, **count} for count in counts]
                about = {**take_cell(cell), "subject": subject, "labelled": labelled, "region": region}
                rows.append(about | {name: round(value, 6) for name, value in found.items()})
            logs.log_line(f"measured {subject}")
    return rows, counted


def _choose_peers(
    cells: Mapping[str, cell_folder.Manifest], folders: Sequence[str | Path]
) -> dict[str, list[str | Path]]:
    """Choose each cell's peers: cells of arms that predicted everybody whom the delivered arm did.

    An arm that lacks somebody is left out everywhere, since agreement with other arms is another measure.
    """
    arms: dict[tuple[str, str], dict[int, str | Path]] = {}
    for folder in folders:
        peer = cell_folder.read_manifest(folder)
        if peer["trained"]:
            arms.setdefault((peer["source"], peer["strategy"]), {})[peer["fold"]] = folder
    whole = []
    for arm, beside in arms.items():
        if all(
            cell["fold"] in beside
            and all(
                cell_folder.has_prediction(beside[cell["fold"]], subject)
                for subject in [*cell.get("test", ()), *cell.get("unlabelled", ())]
            )
            for cell in cells.values()
        ):
            whole.append(beside)
        else:
            logs.log_line(f"{' '.join(arm)} did not predict everybody, so agreement with it is not measured")
    return {folder: [beside[cell["fold"]] for beside in whole] for folder, cell in cells.items()}


# the columns of the table
COLUMNS = (
    *("task", "source", "strategy", "space", "split", "n", "fold", "seed", "subject", "labelled", "region"),
    *FEATURES,
    *LABEL_MEASURES,
    LABEL_VOLUME,
    EXPECTED_DICE,
)


def list_volumes(rows):
    """Return the volume of each labelled subject's outermost region.

    Parameters
    ----------
    rows : list of dict
        Of `measure_masks`, as text.

    Returns
    -------
    dict of str to float
        Subject to ml.
    """
    volumes = {}
    for row in rows:
        volume = parse_number(row.get(LABEL_VOLUME))
        if volume is not None and volume >= volumes.get(row["subject"], 0.0):
            volumes[row["subject"]] = volume
    return volumes
