"""Train the cell of `test_checkpoints` in a process of its own, and be killed in the middle.

python tests/helpers/killed_cell.py FOLDER STEPS: the state is written after every step; SIGKILL comes in the next one.
"""

import json
import math
import os
import signal
import sys
from functools import partial
from pathlib import Path

from helpers.fake_cells import train
from neurograft.training import checkpoints, loop

folder, last = Path(sys.argv[1]), int(sys.argv[2])
slices, split, address, options = json.loads((folder / "task.json").read_text())

steps, step = [], loop._step


def step_and_die(*arguments):
    """Do a step, as long as there is one left."""
    if len(steps) == last:
        os.kill(os.getpid(), signal.SIGKILL)
    steps.append(1)
    return step(*arguments)


loop._step = step_and_die

checkpoints.Checkpoint = partial(checkpoints.Checkpoint, every=0.0, share=math.inf)
train(folder / "cell", (slices, split), address, checkpoint=folder / "state", **options)
