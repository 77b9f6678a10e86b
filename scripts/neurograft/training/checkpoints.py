"""The state of a training on disk, so that one that was killed goes on where it was, to the same bytes."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
import torch

from neurograft.core import files
from neurograft.networks import compute

EVERY = 60.0  # seconds between two states
SHARE = 0.01  # of the time, at most, that writing them takes


class Checkpoint:
    """A file that holds the last state of one training.

    Parameters
    ----------
    path : str or Path
        Outside of what the job writes in the end, which Snakemake deletes when the job fails.
    fingerprint : str
        Of all that the training goes by (`take_fingerprint`): a state with another one is not used.
    every, share : float
        Seconds between two states; share of the time, at most, that writing them takes.
    """

    def __init__(self, path, fingerprint, every=EVERY, share=SHARE):
        self.path, self.fingerprint = Path(path), fingerprint
        self.every, self.share = every, share
        self.due = time.perf_counter() + every

    def read(self):
        """Read the last state, or None where there is none of this training, or none that can be read."""
        try:
            state = torch.load(self.path, map_location=compute.device(), weights_only=True)
        except Exception:
            return None
        return state if isinstance(state, dict) and state.get("fingerprint") == self.fingerprint else None

    def write(self, network, phase, optimizer, schedule, history, seconds):
        """Write the state after a step, if it is time; whole or not at all."""
        start = time.perf_counter()
        if start < self.due:
            return
        state = {"fingerprint": self.fingerprint, "phase": phase, "history": history, "seconds": seconds}
        state |= {"network": network.state_dict(), "random": torch.get_rng_state()}
        state |= {"optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}
        if torch.cuda.is_available():
            state["random_cuda"] = torch.cuda.get_rng_state()
        with files.whole(self.path) as part:
            torch.save(state, part)
        now = time.perf_counter()
        self.due = now + max(self.every, (now - start) / self.share)


def restore_random(state):
    """Set torch's random numbers to those of a state."""
    torch.set_rng_state(state["random"].cpu())
    if "random_cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["random_cuda"].cpu())


def take_fingerprint(network, cases, facts):
    """Digest all that a training goes by, apart from the steps themselves.

    Parameters
    ----------
    network : nn.Module
        As training starts.
    cases : list of dict
        Whom it learns from, targets included (`slices`).
    facts : dict
        Whatever else it depends on, the digest of the code among it; JSON.

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
    """Compute the SHA-256 over names and bytes of all of a network's tensors."""
    digest = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _name_images(case):
    """Name the content of a case's images: by its hash, or where pictures share a file, by the file's state."""
    index = case.get("index", {})
    if "sha256" in index:
        return index["sha256"]
    file = Path(case["images"].filename).stat()
    return [file.st_mtime_ns, file.st_size]
