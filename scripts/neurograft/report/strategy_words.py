"""What is said of each strategy, and its mark in charts: apart from what changes results (`core.strategies`).

A training's digest does not reach this module, so a better sentence trains nothing again. The reference of the docs is
made from it too: standard library only.
"""

from typing import NamedTuple


class Mark(NamedTuple):
    """The mark of a control's line in a chart; other strategies take the panel's marks in turn."""

    colour: str  # "ink" or "grey"
    shape: str
    dashed: bool


class Words(NamedTuple):
    """What is said of a strategy.

    sentence : what it does, for the reference; code in backquotes.
    methods : how the methods paragraph continues "The network was trained", or "Supervoxels were classified".
    references : keys of `references.yaml` that the methods paragraph cites with it.
    mark : of a control.
    """

    sentence: str
    methods: str = ""
    references: tuple[str, ...] = ()
    mark: Mark | None = None


WORDS = {
    "scratch": Words(
        "Trains everything from random weights: the control of every comparison.",
        "from scratch",
        mark=Mark("ink", "square", False),
    ),
    "frozen-random": Words(
        "Trains only the top, on a random encoder: the control for any frozen features.",
        "on a frozen random encoder with normalisation statistics estimated without labels (a control)",
        ("karimi",),
        Mark("grey", "circle", True),
    ),
    "frozen": Words(
        "Trains only the top, on the source's features.",
        "on the frozen pretrained encoder",
    ),
    "last-layers": Words(
        "Trains the encoder's last `k` stages and the top; the stages before stay the source's.",
        "with the deepest scale of the encoder fine-tuned and the others frozen",
    ),
    "gradual": Words(
        "Trains the top first, then one stage more at a time, the deepest first (Howard and Ruder 2018).",
        "with the head first, then the encoder's scales unfrozen one by one, the deepest first",
        ("howard",),
    ),
    "fine-tune": Words(
        "Trains everything, from the source's weights.",
        "with all weights fine-tuned",
    ),
    "lp-ft": Words(
        "Trains the top first, on the frozen encoder, then everything at a smaller rate (Kumar et al. 2022).",
        "with the head first, on the frozen encoder, then all weights at a small rate",
        ("kumar",),
    ),
    "discriminative": Words(
        "Trains everything, each stage at `xi` times the rate of the next (Howard and Ruder 2018).",
        "with all weights fine-tuned, each scale of the encoder at 1/2.6 of the learning rate of the next deeper one",
        ("howard",),
    ),
    "l2-sp": Words(
        "Fine-tunes with a penalty that pulls weights back to the source's, not to zero (Li et al. 2018, with its "
        "alpha and beta).",
        "with all weights fine-tuned under a penalty on their distance from the pretrained ones",
        ("l2-sp",),
    ),
    "lora": Words(
        "Trains low-rank changes of the frozen encoder's kernels, and the top (LoRA).",
        "with low-rank updates of the kernels of the frozen encoder",
        ("lora",),
    ),
    "adabn": Words(
        "Fine-tunes, then takes the BatchNorm statistics of the target's unlabelled images (Li et al. 2017).",
        "with all weights fine-tuned and the normalisation statistics then re-estimated from unlabelled images of "
        "other test patients (transductive)",
        ("adabn",),
    ),
    "coral": Words(
        "Fine-tunes with the features' covariances drawn together on unlabelled target images.",
        "with all weights fine-tuned and the covariances of the features aligned to those of unlabelled images of "
        "other test patients (transductive)",
        ("coral",),
    ),
    "dann": Words(
        "Fine-tunes features that do not tell training images from unlabelled target images.",
        "with all weights fine-tuned and features that a domain classifier cannot distinguish from those of unlabelled "
        "images of other test patients (transductive)",
        ("dann",),
    ),
    "supervoxels": Words(
        "Classifies supervoxels with boosted trees, from the features of the pretrained encoder.",
        "with features of the pretrained encoder pooled over each",
    ),
    "supervoxels-random": Words(
        "The same with features of a random encoder: a control.",
        "with features of a random encoder (a control)",
    ),
    "supervoxels-plain": Words(
        "The same without an encoder: a control, and a method in its own right.",
        "without features of an encoder (a control)",
    ),
    "ensemble": Words(
        "Averages the probabilities of the strategies beside it, except the controls with random weights and what has "
        "seen test images.",
    ),
}
