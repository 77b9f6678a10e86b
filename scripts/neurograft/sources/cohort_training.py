"""Make a source from another labelled cohort: a segmenter of its patients, for the same channels and regions as here.

Beside the encoder's `weights` lies `top`, the tensors of decoder and head, which segmenters start from too.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurograft.cohort import splits
from neurograft.core import files
from neurograft.core.labels import regions_of
from neurograft.core.region_pairs import pair_regions
from neurograft.core.tables import parse_boolean
from neurograft.execution import logs
from neurograft.networks import builders, compute, encoders_3d
from neurograft.sources import table
from neurograft.sources.made_files import write_made_source
from neurograft.sources.weights import load_weights
from neurograft.training import loop, strategy_plans, tasks

STREAM = 1_000_000_021  # added to the run's seed, so that batches differ from those of the cells and of other sources


@dataclass(frozen=True)
class SourceCohort:
    """A labelled cohort to learn from.

    Attributes
    ----------
    name : str
    rows : list of dict
        Of its `cohort.tsv`, in which nobody is included who is also a patient of the own cohort.
    slices : dict of str to path
        As in `tasks.SubjectFiles`, on the grid of the own cohort.
    quality : splits.QualityFindings
    compared : dict
        `guard.source_patients.Compared`: who was left out, for the manifest.
    strategy : str
        "scratch", or a strategy that loads the start's weights.
    """

    name: str
    rows: Sequence[Mapping[str, Any]]
    slices: Mapping[str, Any]
    quality: splits.QualityFindings = field(default_factory=splits.QualityFindings)
    compared: Mapping[str, Any] = field(default_factory=dict)
    strategy: str = "fine-tune"


def pretrain_cohort(folder, source, start, split, cohort: SourceCohort, options):
    """Train a segmenter on all labelled patients of another cohort, and keep its encoder, decoder and head.

    Its channels are those of the own networks; one that no patient has is zero, and the first kernel takes nothing from
    it. Its outputs are the own regions that the cohort's labels tell (`region_pairs.pair_regions`). If nothing can be
    learnt, `weights` and `top` are empty files, and the manifest has the reason.

    Parameters
    ----------
    folder : str or Path
        Where `weights`, `top`, `manifest.json` and `history.tsv` are written.
    source : dict
        Row of the source.
    start : weights.SourceFiles or None
        From which training starts; None for random weights.
    split : dict
        `splits.json` of the own cohort, for its channels and regions.
    cohort : SourceCohort
    options : loop.TrainingOptions
        With the seed of the run.

    Returns
    -------
    dict
        The manifest.
    """
    own, channels = split["tasks"]["segmentation"], split["tasks"]["segmentation"]["sequences"]
    dealt, missing = _deal(cohort, channels)
    scheme = dealt["scheme"] if dealt else None
    pairs = pair_regions(own.get("regions", ()), regions_of(scheme) if scheme else ())
    chosen = dealt["tasks"]["segmentation"]["subjects"] if dealt else []
    facts = {
        "cohort": cohort.name,
        "base": start.row["name"] if start else "",
        "base_sha256": start.row["sha256"] if start else "",
        # of this cohort nobody, which cells check
        "subjects": [],
        "learnt_from": chosen,
        "left_out": _list_left_out(cohort, dealt),
        "shared": list(cohort.compared.get("shared", ())),
        "seen": list(cohort.compared.get("releases", ())),
        "sequences": list(channels),
        "missing_sequences": missing,
        "regions": pairs,
    }
    reason = _why_not(cohort.name, channels, dealt, chosen, pairs)
    if reason:
        return _write(folder, source, None, [], facts | {"reason": reason})
    task, training = _open_task(cohort, dealt, channels, missing, chosen), _separate(options)
    cases = [_choose_regions(task.read(subject), scheme, pairs) for subject in chosen]
    logs.log_line(f"learning {', '.join(pairs)} from {len(chosen)} subjects of {cohort.name}")
    with compute.reproducible(training.seed, training.threads):
        network = builders.build_segmenter(source["backbone"], len(channels), len(pairs))
        if start:
            state = load_weights(start.weights, start.row["sha256"])
            builders.load_source(network, encoders_3d.rename_weights(source["backbone"], state))
        builders.silence_channels(network, [channels.index(name) for name in missing])
        plan = strategy_plans.plan(cohort.strategy, network)
    training = replace(training, dropout=task.dropout, weight_decay=plan.weight_decay)
    hooks = loop.Hooks(log=logs.log_line)
    history = loop.train(network, cases, plan.phases, "segmentation", task.shares, training, hooks).history
    facts |= {"outputs": list(pairs), "strategy": cohort.strategy, "steps": options.steps, "batch": options.batch}
    return _write(folder, source, network, history, facts)


def _deal(cohort, channels):
    """Return the cohort's split, for its usable labelled subjects and its scheme, and the channels that nobody has.

    The split is None if nobody has any of the channels.
    """
    rows = [row for row in cohort.rows if parse_boolean(row["included"])]
    present = {name for row in rows for name in str(row["sequences"]).split(",")}
    common = [name for name in channels if name in present]
    missing = [name for name in channels if name not in present]
    # its folds are of no use here
    return (splits.split_cohort(rows, cohort.quality, folds=2, sequences=common) if common else None), missing


def _why_not(name, channels, dealt, chosen, pairs):
    """Explain in one line why nothing can be learnt; "" if something can."""
    if dealt is None:
        return f"no labelled patient of the cohort {name} that may be learnt from has any of {', '.join(channels)}"
    if not chosen:
        return f"no labelled patient of the cohort {name} is left to learn from (results/cohorts/{name}/cohort.tsv)"
    if not pairs:
        return f"the labels of the cohort {name}, or of this one, tell no region"
    return ""


def _list_left_out(cohort, dealt):
    """Map the cohort's subjects that are not learnt from to the reason."""
    left_out = {row["participant_id"]: row["reason"] for row in cohort.rows if not parse_boolean(row["included"])}
    return left_out | (dealt["tasks"]["segmentation"]["left_out"] if dealt else {})


def _open_task(cohort, dealt, channels, missing, chosen):
    """Open the cohort's subjects with the own channels."""
    segmentation = dealt["tasks"]["segmentation"] | {"sequences": list(channels)}
    split = dealt | {"tasks": dealt["tasks"] | {"segmentation": segmentation}}
    return tasks.open_task(split, {"task": "segmentation"}, tasks.SubjectFiles(cohort.slices), missing, chosen)


def _choose_regions(case, scheme, pairs):
    """Keep the regions of a case that are learnt, in the order of the own ones."""
    listed = regions_of(scheme)
    return case | {"regions": case["regions"][:, [listed.index(other) for other in pairs.values()]]}


def _separate(options):
    """Return training options with a seed derived from the run's, different from those of the cells."""
    return replace(options, seed=int(np.random.SeedSequence([options.seed, STREAM]).generate_state(1)[0]))


def _write(folder, source, network, history, facts):
    """Write the encoder as a source, with the rest of the network beside it; no network leaves both empty."""
    top, state, training = Path(folder) / table.TOP, None, {}
    with files.whole(top) as part:
        if network is None:
            part.touch()
        else:
            torch.save({name: value.cpu() for name, value in builders.take_top(network).items()}, part)
            state = {name: value.cpu() for name, value in network.encoder.state_dict().items()}
    if network is not None:
        facts = facts | {"top_sha256": hashlib.sha256(top.read_bytes()).hexdigest()}
        training = {
            "converged": loop.is_converged([row["loss"] for row in history]),
            "device": compute.device().type,
            "versions": {name: version(name) for name in ("torch", "monai")},
        }
    return write_made_source(folder, source, state, history, facts, training)
