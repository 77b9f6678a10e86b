"""One cell of the experiment for a method that trains no network: classify supervoxels, predict the test patients.

The method is that of Ahuja et al. (2020), whose superpixels are described by their intensities and by a pretrained
encoder, here in 3-D, by patient, and beside controls. The cell's folder is that of `cells`, without weights and
records, and with

candidates.tsv  subject, recall_1, recall_5, recall_10, recall_20, precision_20, false_candidates, first_hit: what
                the classifier's probabilities propose in each test patient, judged as `candidates` judges its own;
                the manifest tells how far down they go (`levels`), and what of the training patients' tumours was found
                by the lowest level (`recall_by_level`)
"""

import time
from pathlib import Path

import numpy as np

from neurograft.candidates import proposal
from neurograft.candidates.supervoxel_files import read_supervoxels
from neurograft.candidates.supervoxels import weigh_neighbours
from neurograft.cohort.assignment import UntrainableError, assign_roles
from neurograft.core import files, labels, strategies, tables
from neurograft.execution import logs
from neurograft.experiment import harmonisation
from neurograft.experiment.fitted_candidates import choose_levels, list_candidates
from neurograft.experiment.supervoxel_classifier import fit_classifiers, predict_chances, refine_border
from neurograft.imaging.packing import PackedArray

# what `measure_supervoxels` gives that tells no tissue; a place counts by its distance from the middle
NO_FEATURES = ("edge", "volume_ml", "x_mm")
JUDGED = ("subject", *(f"recall_{k}" for k in proposal.KS), "precision_20", "false_candidates", "first_hit")


def classify_supervoxels(
    out_folder, split, cell, slices, supervoxels, pooled=None, sites=None, threads=1, predict_unlabelled=False
):
    """Fit classifiers of supervoxels on a cell's training patients, predict its test patients, write its folder.

    Parameters
    ----------
    out_folder : str or Path
        Written whole or not at all.
    split, cell
        As in `network_cells.train_cell`; the cell's strategy is a key of `strategies.METHODS`.
    slices, supervoxels : dict of str to path
        Subject to its folder of slices and of supervoxels, in the cell's space.
    pooled : str or Path, optional
        Folder of `features.pool_features`, of a method that uses an encoder's features.
    sites : dict of str to str, optional
        Subject to site: what differs between them is then taken out of the features (`harmonisation`).
    threads : int
    predict_unlabelled : bool
        Predict the subjects without labels too.

    Returns
    -------
    dict
        The manifest, as written: `trained` false, and `reason`, where the split allows no training or the source
        has no weights.
    """
    start = time.perf_counter()
    cell = {**cell, "fold": int(cell["fold"]), "seed": int(cell["seed"])}
    folders = {"slices": slices, "supervoxels": supervoxels, "pooled": pooled}
    with files.whole(out_folder) as part:
        part.mkdir()
        manifest = {**cell, "trained": False, "splits": split["hash"], "features": strategies.METHODS[cell["strategy"]]}
        try:
            roles = assign_roles(split, cell) | ({} if predict_unlabelled else {"unlabelled": []})
            reason = files.read_json(Path(pooled) / "source.json")["reason"] if pooled else ""
            if reason:
                raise UntrainableError(reason)
            names = list(labels.region_values(split["scheme"]))
            fitted = _fit(split, cell, roles["train"], folders, sites, threads)
            seconds = time.perf_counter() - start
            judged = []
            for subject in roles["test"] + roles["unlabelled"]:
                patient = _read(subject, folders, split["schemes"][subject])
                patient = _harmonise(fitted["effects"], patient, sites)
                chances = _predict(part, fitted["model"], patient, folders, names, threads)
                judged += [_judge(patient, chances, folders, fitted["levels"])] if subject in roles["test"] else []
            tables.write_table(part / "candidates.tsv", judged, JUDGED)
            tables.write_table(part / "seconds.tsv", [{"step": 1, "seconds": round(seconds, 3)}])
            tables.write_table(part / "history.tsv", [], ("step", "phase", "loss", "rate"))
            # trees are grown to their end: nothing is left to converge
            manifest |= {"trained": True, "reason": "", "converged": True, "subjects": len(roles["train"]), **roles}
            manifest |= {name: fitted[name] for name in ("levels", "recall_by_level")}
            manifest |= {"harmonised_sites": sorted(fitted["effects"]["described"]["sites"])} if sites else {}
            manifest |= {"columns": fitted["model"]["names"], "outputs": names, "threads": threads, "pretrained_on": []}
        except UntrainableError as reason:
            manifest["reason"] = str(reason)
        files.write_json(part / "manifest.json", manifest)
    return manifest


def _fit(split, cell, train, folders, sites, threads):
    """Fit what a cell's test patients are predicted by: site effects, classifiers, levels of the list of candidates."""
    patients = [_read(subject, folders, split["schemes"][subject]) for subject in train]
    effects = harmonisation.fit_patients(patients, [sites[subject] for subject in train]) if sites else {}
    patients = [_harmonise(effects, one, sites) for one in patients]
    seed = int(np.random.SeedSequence([cell["seed"], cell["fold"]]).generate_state(1)[0])
    model = fit_classifiers(patients, len(labels.region_values(split["scheme"])), seed, threads)
    owner = split["tasks"][cell["task"]]["patients"]
    levels, recall = choose_levels(patients, [owner[subject] for subject in train], seed, threads)
    return {"effects": effects, "model": model, "levels": levels, "recall_by_level": recall}


def _read(subject, folders, scheme):
    """Read what the classifier takes of a subject, its truth by region too where it has labels."""
    found = read_supervoxels(folders["supervoxels"][subject])
    table, pooled = found["features"], folders["pooled"]
    places = (table["x_mm"] - found["mirror_x_mm"]).abs() if len(table) else ()
    kept = table.drop(columns=list(NO_FEATURES), errors="ignore").assign(from_middle_mm=places)
    if "shares" in found:
        column = {value: k for k, value in enumerate(found["values"])}
        values = labels.region_values(scheme).values()
        members = [[column[value] for value in own if value in column] for own in values]
        found["truth"] = np.stack([found["shares"][:, own].sum(1) for own in members], axis=1)
    return found | {
        "subject": subject,
        "names": list(kept),
        "described": kept.to_numpy(np.float32),
        "pooled": np.load(Path(pooled) / f"sub-{subject}.npy") if pooled else None,
        "volume": np.bincount(found["segments"].ravel(), minlength=len(table) + 1)[1:].astype(float),
    }


def _harmonise(effects, patient, sites):
    return harmonisation.harmonise_patient(effects, patient, sites[patient["subject"]]) if effects else patient


def _predict(part, model, patient, folders, names, threads):
    """Predict one patient and write its `sub-X.npz`; give the probabilities of its supervoxels, before refinement."""
    subject, cut = patient["subject"], patient["segments"]
    folder = Path(folders["slices"][subject])
    index = files.read_json(folder / "index.json")
    stack = PackedArray(folder / "images.zlib")[:].astype(np.float32).transpose(1, 2, 3, 0)
    chances = predict_chances(model, patient, threads)
    refined = [refine_border(own, cut, stack, index["spacing"]) for own in chances.T]
    packed = {name: np.rint(255 * chance).astype(np.uint8) for name, chance in zip(names, refined, strict=True)}
    np.savez_compressed(part / f"sub-{subject}.npz", **packed, box=np.asarray(index["box"]))
    logs.log_line(f"predicted {subject}")
    return chances


def _judge(patient, chances, folders, levels):
    """Judge the candidates that a patient's probabilities propose, a row of `JUDGED`."""
    cut = patient["segments"]
    ranked = list_candidates(chances[:, 0], patient["features"], weigh_neighbours(cut, len(chances)), levels)[cut]
    tumour = PackedArray(Path(folders["slices"][patient["subject"]]) / "labels.zlib")[:].transpose(1, 2, 0) > 0
    judged = proposal.judge_candidates(cut, ranked, tumour)
    found = {f"recall_{k}": judged["recall"][str(k)] for k in proposal.KS}
    found["precision_20"] = judged["precision"]["20"]
    return {"subject": patient["subject"], **found, **{name: judged[name] for name in JUDGED[-2:]}}
