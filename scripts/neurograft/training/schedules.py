"""Learning rate over a training: one cycle, or warm-up, stable and cool-down, which can be cut at several budgets.

A one-cycle schedule is tied to its length: its state half-way is no training of half the length. With a stable rate, a
training of any shorter length is the state at some step, followed by a short cool-down, in which the rate falls to 0
(Hägele et al. 2024, arXiv 2405.18392). So one training gives the scores at several budgets, and need not know its own
length in advance.
"""

from dataclasses import dataclass

import numpy as np

# share of the smallest budget in which the rate rises
WARM_UP = 0.15
# share of every budget in which the rate falls to 0
COOL_DOWN = 0.2
# the stable rate, as a share of a strategy's rate, which is the peak of one cycle
STABLE = 0.5
# numbers of values of the held-back loss that are compared: the last ones with those before
WINDOW = 4


@dataclass(frozen=True)
class Length:
    """How long a training is, and at which budgets its state is wanted.

    Attributes
    ----------
    steps : int
        Largest number of steps.
    budgets : tuple of float
        Shares of `steps`, each between 0 and 1, ascending.
    least : int
        0: the training takes `steps`. Otherwise it ends once the loss of the held-back patients no longer improves, but
        not before so many steps.
    """

    steps: int
    budgets: tuple[float, ...] = ()
    least: int = 0

    @property
    def one_cycle(self):
        """Whether the rate follows one cycle in each phase, as nothing needs a stable rate."""
        return not self.budgets and not self.least

    @property
    def smallest(self):
        """The smallest number of steps after which the training may be cut or end."""
        first = round(self.budgets[0] * self.steps) if self.budgets else self.steps
        return max(1, min(first, self.least or self.steps))

    @property
    def every(self):
        """Steps between two measurements of the held-back loss."""
        return max(1, self.least // (2 * WINDOW))

    @property
    def cuts(self):
        """Step after which each budget's cool-down starts: dict of int to (share, end)."""
        return {
            start_cooling(round(share * self.steps)): (share, max(1, round(share * self.steps)))
            for share in self.budgets
        }

    def phase_ends(self, shares):
        """Divide the steps among phases; return the last step of each.

        With budgets, all phases but the last take their share of the smallest one, so that every budget holds each of
        them, and the last phase takes the rest.
        """
        within = self.steps if self.one_cycle else self.smallest
        ends = np.round(np.cumsum(shares) * within).astype(int).tolist()
        return [*ends[:-1], self.steps]


def start_cooling(end):
    """Return the step after which a training of `end` steps cools down."""
    return max(1, end) - max(1, round(COOL_DOWN * end))


def find_end(length, losses):
    """Find where a training cools down and ends, from what is known so far.

    Parameters
    ----------
    length : Length
    losses : dict of int to float
        Step to the loss of the held-back patients after it.

    Returns
    -------
    cooling, end : int
        The step after which it cools down, and its last step: those of the longest training, unless the loss has
        settled.
    """
    latest = start_cooling(length.steps)
    seen = []
    for step, loss in sorted(losses.items()):
        seen.append(loss)
        if length.least <= step < latest and has_settled(seen):
            return step, min(length.steps, round(step / (1 - COOL_DOWN)))
    return latest, length.steps


def has_settled(losses):
    """Check whether the last `WINDOW` losses are no lower than those before them, beyond their noise.

    The noise is the standard error of the difference of the two means, with measurements as samples.
    """
    if len(losses) < 2 * WINDOW:
        return False
    before, last = np.array(losses[-2 * WINDOW : -WINDOW]), np.array(losses[-WINDOW:])
    error = np.sqrt((before.var(ddof=1) + last.var(ddof=1)) / WINDOW)
    return bool(before.mean() - last.mean() <= error)


class StableRate:
    """Warm-up to a stable rate, and a cool-down on request; used as a scheduler of torch.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Each group with its rate as `lr`.
    warm_up : int
        Steps in which the rate rises.
    """

    def __init__(self, optimizer, warm_up):
        self.optimizer, self.warm_up = optimizer, max(1, warm_up)
        self.rates = [group["lr"] for group in optimizer.param_groups]
        self.taken, self.cooling, self.over = 0, None, 1
        self._set()

    def cool_down(self, steps):
        """Let the rate fall from the next step on, to 0 after so many steps."""
        self.cooling, self.over = self.taken, max(1, steps)
        self._set()

    def step(self):
        """Set the rate of the next step."""
        self.taken += 1
        self._set()

    def _set(self):
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * self.factor

    @property
    def factor(self):
        """The rate of the next step, as a share of the strategy's."""
        factor = STABLE * min(1.0, (self.taken + 1) / self.warm_up)
        if self.cooling is None:
            return factor
        # the square root: of the forms that Hägele et al. compare, the best
        return factor * max(0.0, 1 - float(np.sqrt((self.taken - self.cooling + 1) / (self.over + 1))))

    def state_dict(self):
        """Return what `load_state_dict` needs."""
        return {"taken": self.taken, "cooling": self.cooling, "over": self.over}

    def load_state_dict(self, state):
        """Go on from a state."""
        self.taken, self.cooling, self.over = state["taken"], state["cooling"], state["over"]
        self._set()
