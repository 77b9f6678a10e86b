"""Make sources within the workflow, so that one source can be made from another in its graph.

The folder of such a source has `weights` (the encoder's tensors, with the names that `builders.load_source` expects),
`history.tsv` of its training, and `manifest.json`: how and from what it was made, and on which subjects of this cohort.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from neurograft.cohort.assignment import choose_unlabelled
from neurograft.core.labels import region_values
from neurograft.execution import logs
from neurograft.imaging.resampling import grid_of, regridded
from neurograft.networks import builders, compute
from neurograft.preprocessing import intensity, registration
from neurograft.simulation import anatomy
from neurograft.simulation.subjects import simulate_subject
from neurograft.sources.made_files import write_made_source
from neurograft.sources.weights import load_weights
from neurograft.training import batch_norm, loop, masking, strategy_plans, tasks
from neurograft.training.slices import segmentation_case, target_case, write_slices

SCHEME = "brats2018"  # scheme of the simulated labels
OTHERS = 1_000_000_007  # added to the run's seed, so that these subjects differ from those of a simulated cohort
FINEST = 1.5  # mm; smallest voxel size of the simulated scans, because 1 mm takes several times as long


@dataclass(frozen=True)
class SimulatedScans:
    """The scans of simulated patients from which a source is made.

    Attributes
    ----------
    sequences : list of str
        The network's channels.
    aligned : bool
        Whether the run has a template; if so, the scans are in MNI152 space, otherwise each in its own space.
    spacing : float
        Voxel size of the run in mm.
    method : str
        A key of `intensity.INTENSITY_METHODS`.
    subjects : int
        Number of simulated patients.
    """

    sequences: Sequence[str]
    aligned: bool
    spacing: float
    method: str = "robust-zscore"
    subjects: int = 8


def pretrain_simulated(folder, source, scans, options):
    """Train a segmenter from random weights on simulated tumour patients, and keep its encoder.

    Their known brain masks and alignments are used, without skull-stripping or registration.

    Parameters
    ----------
    folder : str or Path
        Where `weights`, `manifest.json` and `history.tsv` are written.
    source : dict
        Row of `sources.tsv`.
    scans : SimulatedScans
    options : loop.TrainingOptions
        With the seed of the run. The subjects differ from those of a simulated cohort with this seed.

    Returns
    -------
    dict
        The manifest.
    """
    training, atlas, seed = _separate(options), anatomy.load_template(), options.seed + OTHERS
    template = registration.load_template("MNI152", scans.spacing) if scans.aligned else None
    Path(folder).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        names = [str(index) for index in range(scans.subjects)]
        for index, name in enumerate(names):
            simulate_slices(Path(place) / name, index, seed, template, scans.spacing, scans.method, atlas)
            logs.log_line(f"simulated {index + 1} of {scans.subjects}")
        cases = [segmentation_case(Path(place) / name, scans.sequences, SCHEME) for name in names]
        with compute.reproducible(training.seed, training.threads):
            outputs = len(region_values(SCHEME))
            network = builders.build_segmenter(source["backbone"], len(scans.sequences), outputs)
        history = _train(network, cases, "scratch", "segmentation", training)
    facts = {"subjects": [], "simulated": {"seed": seed, "subjects": scans.subjects}}
    facts |= {"sequences": list(scans.sequences), "steps": options.steps, "batch": options.batch}
    return _write_source(folder, source, network, history, facts)


def pretrain_masked(folder, source, base, split, slices, options):
    """Train another source's encoder to reconstruct hidden parts of the cohort's unlabelled scans.

    If there are no such subjects, `weights` is an empty file, and the manifest has the reason.

    Parameters
    ----------
    folder, source
        As in `pretrain_simulated`.
    base : weights.SourceFiles
        The source from which training starts.
    split : dict
        `splits.json`.
    slices : dict of str to path
        As in `tasks.SubjectFiles`, in the space of the template.
    options : loop.TrainingOptions
        With the seed of the run.

    Returns
    -------
    dict
        The manifest.
    """
    chosen, channels = choose_unlabelled(split), split["tasks"]["segmentation"]["sequences"]
    facts = {"base": base.row["name"], "base_sha256": base.row["sha256"], "subjects": chosen, "sequences": channels}
    if not chosen:
        reason = (
            f"{source['name']} learns from subjects without labels, no scan of whose patient has any: there is none"
        )
        return _write_source(folder, source, None, [], facts | {"reason": reason})
    cases, training = [target_case(slices[subject], channels) for subject in chosen], _separate(options)
    with compute.reproducible(training.seed, training.threads):
        network = builders.build_segmenter(source["backbone"], len(channels), len(channels), prior=0.5)
        builders.load_source(network, load_weights(base.weights, base.row["sha256"]))
    draw = masking.mask_batches(cases, training.batch, training.seed)
    history = _train(network, cases, "fine-tune", "reconstruction", training, draw)
    # from complete slices, because hidden squares change the statistics
    batch_norm.average_statistics(network.encoder, cases, training, augmented=False)
    facts |= {"steps": options.steps, "batch": options.batch}
    return _write_source(folder, source, network, history, facts)


def simulate_slices(folder, index, seed, template, spacing, method, atlas=None):
    """Simulate one subject and write its slices, using its known truth instead of preprocessing.

    Parameters
    ----------
    folder : str or Path
    index, seed : int
        As in `subjects.simulate_subject`.
    template : nibabel.Nifti1Image or None
        Template with the grid of the slices.
    spacing, method
        As in `SimulatedScans`.
    atlas : dict, optional
        From `anatomy.load_template`.
    """
    scans, truth = simulate_subject(index, seed, max(spacing, FINEST), atlas)
    to_reference = np.eye(4) if template is None else truth["to_template"]
    grid = regridded(scans["t1c"], spacing) if template is None else grid_of(template)
    transforms = {name: motion @ to_reference for name, motion in truth["motion"].items()}
    registered = registration.resample_all(scans, truth["brain"], transforms, "t1c", "t1c", grid)
    normalised, _ = intensity.normalize_intensity(registered, method)
    write_slices(folder, *intensity.cut_slices(normalised, registered["labels"]))


def _separate(options):
    """Return training options with a seed derived from the run's, different from those of the cells."""
    return replace(options, seed=int(np.random.SeedSequence([options.seed, OTHERS]).generate_state(1)[0]))


def _train(network, cases, strategy, task, options, draw=None):
    """Train a whole network like a cell with this strategy; return the history."""
    phases = strategy_plans.plan(strategy, network).phases
    shares = {"tumour": tasks.TUMOUR_SHARE, "rest": 1 - tasks.TUMOUR_SHARE}
    return loop.train(network, cases, phases, task, shares, options, loop.Hooks(log=logs.log_line, draw=draw)).history


def _write_source(folder, source, network, history, facts):
    """Write a pretrained encoder as a source; no network leaves the weights empty."""
    state = {name: value.cpu() for name, value in network.encoder.state_dict().items()} if network is not None else None
    training = {}
    if history:
        training = {
            "converged": loop.is_converged([row["loss"] for row in history]),
            "device": compute.device().type,
            "versions": {name: version(name) for name in ("torch", "monai")},
        }
    return write_made_source(folder, source, state, history, facts, training)
