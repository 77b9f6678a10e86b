"""Save the state of a training to disk, so that a killed training can resume with bit-identical results."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch

from neurograft.core import files
from neurograft.networks import compute

EVERY = 60.0  # seconds between two states
SHARE = 0.01  # largest share of the time spent on writing them


class Checkpoint:
    """A file with the last state of one training.

    Parameters
    ----------
    path : str or Path
        Outside the job's outputs, which Snakemake deletes if the job fails.
    fingerprint : str
        Of all inputs of the training (`take_fingerprint`); a state with another fingerprint is not used.
    every, share : float
        Seconds between two states; largest share of the time spent on writing them.
    """

    def __init__(self, path, fingerprint, every=EVERY, share=SHARE):
        self.path, self.fingerprint = Path(path), fingerprint
        self.every, self.share = every, share
        self.due = time.perf_counter() + every

    def read(self):
        """Read the last state; None if this training has none, or none that can be read."""
        try:
            state = torch.load(self.path, map_location=compute.device(), weights_only=True)
        except Exception:
            return None
        return state if isinstance(state, dict) and state.get("fingerprint") == self.fingerprint else None

    def write(self, network, phase, steppers, course):
        """Write the state after a step, if it is due; atomically.

        Parameters
        ----------
        network : nn.Module
        phase : int
        steppers : tuple
            Optimizer, its schedule and the scaler of the losses.
        course : NamedTuple
            `loop.Course`.
        """
        start = time.perf_counter()
        if start < self.due:
            return
        state = {"fingerprint": self.fingerprint, "phase": phase, **course._asdict()}
        state |= {"network": network.state_dict(), "random": torch.get_rng_state()}
        names = "optimizer", "schedule", "scaler"
        state |= {name: part.state_dict() for name, part in zip(names, steppers, strict=True)}
        if compute.device().type == "cuda":
            state["random_cuda"] = torch.cuda.get_rng_state()
        with files.whole(self.path) as part:
            torch.save(state, part)
        now = time.perf_counter()
        self.due = now + max(self.every, (now - start) / self.share)


def restore_random(state):
    """Restore torch's random state."""
    torch.set_rng_state(state["random"].cpu())
    if "random_cuda" in state:  # a state is used on the kind of device that wrote it (`take_fingerprint`)
        torch.cuda.set_rng_state(state["random_cuda"].cpu())


def take_fingerprint(network, cases, facts):
    """Compute a digest of all inputs of a training.

    Parameters
    ----------
    network : nn.Module
        At the start of training.
    cases : list of dict
        Training cases, including targets (`slices`).
    facts : dict
        Everything else that it depends on, including the digest of the code; JSON.

    Returns
    -------
    str
    """
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode())
    digest.update(f"{torch.__version__} {compute.device().type}".encode())
    digest.update(hash_weights(network).encode())
    for case in cases:
        digest.update(json.dumps([case["channels"], _name_images(case)]).encode())
        for name, numbers in case["strata"].items():
            digest.update(name.encode() + np.ascontiguousarray(numbers, np.int64).tobytes())
    return digest.hexdigest()


def hash_weights(network):
    """Compute the SHA-256 of the names and bytes of all tensors of a network."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _name_images(case):
    """Identify the content of a case's images by its hash or, if pictures share a file, by that file's state."""
    index = case.get("index", {})
    if "sha256" in index:
        return index["sha256"]
    file = Path(case["images"].filename).stat()
    return [file.st_mtime_ns, file.st_size]
