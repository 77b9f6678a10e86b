"""One cell of the experiment for a method without a network: classify supervoxels and predict the test patients.

The method follows Ahuja et al. (2020), who describe superpixels by their intensities and by a pretrained encoder; here
it is in 3-D, split by patient, and compared with controls. The cell's folder (`cell_folder`) has `candidates.tsv` but
no weights and records. Its manifest has the `levels` of the candidates, and the share of the training patients' tumours
found by lowest level (`recall_by_level`).
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

# measures of `measure_supervoxels` that do not describe tissue; x is replaced by the distance from the midplane
NO_FEATURES = ("edge", "volume_ml", "x_mm")


@dataclass(frozen=True)
class SupervoxelInputs:
    """The input data of a supervoxel method.

    Attributes
    ----------
    slices, supervoxels : dict of str to path
        Subject to its folder of slices and of supervoxels, in the cell's space.
    features : {"source", "random encoder", "none"}
        Origin of the encoder features used in addition to the supervoxels' own (`core.strategies`). Passed in, not
        looked up, so that changing a network's learning rate does not rerun supervoxel methods.
    pooled : str or Path, optional
        Folder of `features.pool_features`, for a method that uses an encoder's features.
    sites : dict of str to str, optional
        Subject to site; if given, site effects are removed from the features (`harmonisation`).
    """

    slices: Mapping[str, str | Path]
    supervoxels: Mapping[str, str | Path]
    features: str = "none"
    pooled: str | Path | None = None
    sites: Mapping[str, str] | None = None


def classify_supervoxels(out_folder, split, cell, inputs, predict_unlabelled=False, threads=1):
    """Fit supervoxel classifiers on a cell's training patients, predict its test patients, and write its folder.

    Parameters
    ----------
    out_folder : str or Path
        Written atomically.
    split, cell
        As in `network_cells.train_cell`; the cell's strategy is a key of `core.strategies.METHODS`.
    inputs : SupervoxelInputs
    predict_unlabelled : bool
        Also predict the subjects without labels.
    threads : int

    Returns
    -------
    cell_folder.Manifest
        As written; `trained` is false, with a `reason`, if the split allows no training or the source has no weights.
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
                patient = _harmonise(
                    fitted["effects"], read_patient(subject, inputs, split["schemes"][subject]), inputs.sites
                )
                chances = _predict(part, fitted["model"], patient, inputs, names, threads)
                judged += [_judge(patient, chances, inputs, fitted["levels"])] if subject in roles["test"] else []
            cell_folder.write_judged(part, judged)
            cell_folder.write_course(part, [], [round(seconds, 3)])
            # always converged: trees are fully grown
            manifest |= {"trained": True, "reason": "", "converged": True, "subjects": len(roles["train"]), **roles}
            manifest |= {name: fitted[name] for name in ("levels", "recall_by_level")}
            manifest |= {"harmonised_sites": sorted(fitted["effects"]["described"]["sites"])} if inputs.sites else {}
            manifest |= {"columns": fitted["model"]["names"], "outputs": names, "threads": threads, "pretrained_on": []}
        except UntrainableError as reason:
            manifest["reason"] = str(reason)
        cell_folder.write_manifest(part, manifest)
    return manifest


def _fit(split, cell, train, inputs, threads):
    """Fit the models of a cell: site effects, classifiers, and levels of the candidate list."""
    sites = inputs.sites
    patients = [read_patient(subject, inputs, split["schemes"][subject]) for subject in train]
    effects = harmonisation.fit_patients(patients, [sites[subject] for subject in train]) if sites else {}
    patients = [_harmonise(effects, patient, sites) for patient in patients]
    seed = int(np.random.SeedSequence([cell["seed"], cell["fold"]]).generate_state(1)[0])
    model = fit_classifiers(patients, len(labels.region_values(split["scheme"])), seed, threads)
    owner = split["tasks"][cell["task"]]["patients"]
    levels, recall = choose_levels(patients, [owner[subject] for subject in train], seed, threads)
    return {"effects": effects, "model": model, "levels": levels, "recall_by_level": recall}


def read_patient(subject, inputs, scheme):
    """Read the classifier's inputs for a subject, with its truth by region if it has labels.

    Parameters
    ----------
    subject : str
    inputs : SupervoxelInputs
    scheme : str
        Key of `label_schemes.LABEL_SCHEMES`.

    Returns
    -------
    dict
        For `supervoxel_classifier.fit_classifiers`, with what `read_supervoxels` returns, and `subject`.
    """
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
    """Predict one patient and write the result; return the probabilities of its supervoxels, before refinement."""
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
    """Evaluate the candidates proposed by a patient's probabilities: a row of `candidates.tsv`."""
    cut = patient["segments"]
    ranked = list_candidates(chances[:, 0], patient["features"], weigh_neighbours(cut, len(chances)), levels)[cut]
    tumour = PackedArray(Path(inputs.slices[patient["subject"]]) / "labels.zlib")[:].transpose(1, 2, 0) > 0
    judged: dict[str, Any] = proposal.judge_candidates(cut, ranked, tumour)
    row = {"subject": patient["subject"]} | {f"recall_{k}": judged["recall"][str(k)] for k in proposal.KS}
    row["precision_20"] = judged["precision"]["20"]
    return row | {name: judged[name] for name in ("false_candidates", "first_hit")}
