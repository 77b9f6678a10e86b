"""One cell of the experiment for a method that trains no network: classify supervoxels, predict the test patients.

The method is that of Ahuja et al. (2020), whose superpixels are described by their intensities and by a pretrained
encoder, here in 3-D, by patient, and beside controls. The cell's folder (`cell_folder`) has no weights and records; it
has `candidates.tsv`. Its manifest tells how far down the candidates go (`levels`), and what of the training patients'
tumours was found by the lowest level (`recall_by_level`).
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from neurograft.candidates import proposal
from neurograft.candidates.supervoxel_files import read_supervoxels
from neurograft.candidates.supervoxels import weigh_neighbours
from neurograft.cohort.assignment import UntrainableError, assign_roles
from neurograft.core import files, labels
from neurograft.execution import logs
from neurograft.experiment import cell_folder, harmonisation
from neurograft.experiment.fitted_candidates import choose_levels, list_candidates
from neurograft.experiment.supervoxel_classifier import fit_classifiers, predict_chances, refine_border
from neurograft.imaging.packing import PackedArray

# measures of `measure_supervoxels` that tell no tissue; a place counts by its distance from the middle
NO_FEATURES = ("edge", "volume_ml", "x_mm")


@dataclass(frozen=True)
class SupervoxelInputs:
    """The subjects' data that a method of supervoxels takes.

    Attributes
    ----------
    slices, supervoxels : dict of str to path
        Subject to its folder of slices and of supervoxels, in the cell's space.
    features : {"source", "random encoder", "none"}
        Whose features it takes beside the supervoxels' own (`core.strategies`). Given, not looked up: another learning
        rate of a network must not classify supervoxels again.
    pooled : str or Path, optional
        Folder of `features.pool_features`, of a method that uses an encoder's features.
    sites : dict of str to str, optional
        Subject to site: what differs between sites is then taken out of the features (`harmonisation`).
    """

    slices: Mapping[str, str | Path]
    supervoxels: Mapping[str, str | Path]
    features: str = "none"
    pooled: str | Path | None = None
    sites: Mapping[str, str] | None = None


def classify_supervoxels(out_folder, split, cell, inputs, predict_unlabelled=False, threads=1):
    """Fit classifiers of supervoxels on a cell's training patients, predict its test patients, write its folder.

    Parameters
    ----------
    out_folder : str or Path
        Written whole or not at all.
    split, cell
        As in `network_cells.train_cell`; the cell's strategy is a key of `core.strategies.METHODS`.
    inputs : SupervoxelInputs
    predict_unlabelled : bool
        Predict the subjects without labels too.
    threads : int

    Returns
    -------
    cell_folder.Manifest
        As written: `trained` false, and `reason`, where the split allows no training or the source has no weights.
    """
    start = time.perf_counter()
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    with files.whole(out_folder) as part:
        part.mkdir()
        manifest = {**cell, "trained": False, "splits": split["hash"], "features": inputs.features}
        try:
            roles = assign_roles(split, cell) | ({} if predict_unlabelled else {"unlabelled": []})
            reason = files.read_json(Path(inputs.pooled) / "source.json")["reason"] if inputs.pooled else ""
            if reason:
                raise UntrainableError(reason)
            names = list(labels.region_values(split["scheme"]))
            fitted = _fit(split, cell, roles["train"], inputs, threads)
            seconds = time.perf_counter() - start
            judged = []
            for subject in roles["test"] + roles["unlabelled"]:
                patient = _harmonise(fitted["effects"], _read(subject, inputs, split["schemes"][subject]), inputs.sites)
                chances = _predict(part, fitted["model"], patient, inputs, names, threads)
                judged += [_judge(patient, chances, inputs, fitted["levels"])] if subject in roles["test"] else []
            cell_folder.write_judged(part, judged)
            cell_folder.write_course(part, [], [round(seconds, 3)])
            # trees are grown to their end: nothing is left to converge
            manifest |= {"trained": True, "reason": "", "converged": True, "subjects": len(roles["train"]), **roles}
            manifest |= {name: fitted[name] for name in ("levels", "recall_by_level")}
            manifest |= {"harmonised_sites": sorted(fitted["effects"]["described"]["sites"])} if inputs.sites else {}
            manifest |= {"columns": fitted["model"]["names"], "outputs": names, "threads": threads, "pretrained_on": []}
        except UntrainableError as reason:
            manifest["reason"] = str(reason)
        cell_folder.write_manifest(part, manifest)
    return manifest


def _fit(split, cell, train, inputs, threads):
    """Fit what a cell's test patients are predicted by: site effects, classifiers, levels of the list of candidates."""
    sites = inputs.sites
    patients = [_read(subject, inputs, split["schemes"][subject]) for subject in train]
    effects = harmonisation.fit_patients(patients, [sites[subject] for subject in train]) if sites else {}
    patients = [_harmonise(effects, patient, sites) for patient in patients]
    seed = int(np.random.SeedSequence([cell["seed"], cell["fold"]]).generate_state(1)[0])
    model = fit_classifiers(patients, len(labels.region_values(split["scheme"])), seed, threads)
    owner = split["tasks"][cell["task"]]["patients"]
    levels, recall = choose_levels(patients, [owner[subject] for subject in train], seed, threads)
    return {"effects": effects, "model": model, "levels": levels, "recall_by_level": recall}


def _read(subject, inputs, scheme):
    """Read what the classifier takes of a subject, its truth by region too where it has labels."""
    stored = read_supervoxels(inputs.supervoxels[subject])
    table, pooled = stored["features"], inputs.pooled
    places = (table["x_mm"] - stored["mirror_x_mm"]).abs() if len(table) else ()
    kept = table.drop(columns=list(NO_FEATURES), errors="ignore").assign(from_middle_mm=places)
    if "shares" in stored:
        column = {value: k for k, value in enumerate(stored["values"])}
        values = labels.region_values(scheme).values()
        members = [[column[value] for value in region if value in column] for region in values]
        stored["truth"] = np.stack([stored["shares"][:, region].sum(1) for region in members], axis=1)
    return stored | {
        "subject": subject,
        "names": list(kept),
        "described": kept.to_numpy(np.float32),
        "pooled": np.load(Path(pooled) / f"sub-{subject}.npy") if pooled else None,
        "volume": np.bincount(stored["segments"].ravel(), minlength=len(table) + 1)[1:].astype(float),
    }


def _harmonise(effects, patient, sites):
    return harmonisation.harmonise_patient(effects, patient, sites[patient["subject"]]) if effects else patient


def _predict(part, model, patient, inputs, names, threads):
    """Predict one patient and write it; return the probabilities of its supervoxels, before refinement."""
    subject, cut = patient["subject"], patient["segments"]
    folder = Path(inputs.slices[subject])
    index = files.read_json(folder / "index.json")
    stack = PackedArray(folder / "images.zlib")[:].astype(np.float32).transpose(1, 2, 3, 0)
    chances = predict_chances(model, patient, threads)
    refined = [refine_border(region, cut, stack, index["spacing"]) for region in chances.T]
    cell_folder.write_prediction(part, subject, dict(zip(names, refined, strict=True)), index["box"])
    logs.log_line(f"predicted {subject}")
    return chances


def _judge(patient, chances, inputs, levels):
    """Judge the candidates that a patient's probabilities propose: a row of `candidates.tsv`."""
    cut = patient["segments"]
    ranked = list_candidates(chances[:, 0], patient["features"], weigh_neighbours(cut, len(chances)), levels)[cut]
    tumour = PackedArray(Path(inputs.slices[patient["subject"]]) / "labels.zlib")[:].transpose(1, 2, 0) > 0
    judged: dict[str, Any] = proposal.judge_candidates(cut, ranked, tumour)
    row = {"subject": patient["subject"]} | {f"recall_{k}": judged["recall"][str(k)] for k in proposal.KS}
    row["precision_20"] = judged["precision"]["20"]
    return row | {name: judged[name] for name in ("false_candidates", "first_hit")}
