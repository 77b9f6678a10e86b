"""The words for each strategy, and its mark in charts, apart from what changes results (`core.strategies`).

The code digest of a training does not include this module, so that a better sentence trains nothing again. The
reference of the docs is made from it too, so it imports only the standard library.
"""

from typing import NamedTuple


class Mark(NamedTuple):
    """The mark of a control's line in a chart; other strategies use the marks of the panel in turn."""

    colour: str  # "ink" or "grey"
    shape: str
    dashed: bool


class Words(NamedTuple):
    """The words for a strategy.

    sentence : what it does, for the reference; code is in backquotes.
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
        "Trains everything from random weights: the control in all comparisons.",
        "from scratch",
        mark=Mark("ink", "square", False),
    ),
    "frozen-random": Words(
        "Trains only the top, on a frozen random encoder: the control for the effect of any fixed features.",
        "on a frozen random encoder with normalisation statistics estimated without labels (a control)",
        ("karimi",),
        Mark("grey", "circle", True),
    ),
    "frozen": Words(
        "Trains only the top, on the features of the source.",
        "on the frozen pretrained encoder",
    ),
    "last-layers": Words(
        "Trains the last `k` stages of the encoder and the top; the earlier stages keep the weights of the source.",
        "with the deepest scale of the encoder fine-tuned and the others frozen",
    ),
    "gradual": Words(
        "Trains the top first, then unfreezes one stage at a time, the deepest first (Howard and Ruder 2018).",
        "with the head first, then the encoder's scales unfrozen one by one, the deepest first",
        ("howard",),
    ),
    "fine-tune": Words(
        "Trains everything, starting from the weights of the source.",
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
        "Fine-tunes with a penalty that pulls the weights towards those of the source, not towards zero (Li et al. "
        "2018, with its alpha and beta).",
        "with all weights fine-tuned under a penalty on their distance from the pretrained ones",
        ("l2-sp",),
    ),
    "lora": Words(
        "Trains low-rank updates of the kernels of the frozen encoder, and the top (LoRA).",
        "with low-rank updates of the kernels of the frozen encoder",
        ("lora",),
    ),
    "adabn": Words(
        "Fine-tunes, then re-estimates the BatchNorm statistics on unlabelled target images (Li et al. 2017).",
        "with all weights fine-tuned and the normalisation statistics then re-estimated from unlabelled images of "
        "other test patients (transductive)",
        ("adabn",),
    ),
    "coral": Words(
        "Fine-tunes while aligning the covariances of the features with those of unlabelled target images.",
        "with all weights fine-tuned and the covariances of the features aligned to those of unlabelled images of "
        "other test patients (transductive)",
        ("coral",),
    ),
    "dann": Words(
        "Fine-tunes features from which a classifier cannot tell training images from unlabelled target images.",
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
        "Averages the probabilities of the other strategies, except the controls with random weights and the "
        "strategies that saw test images.",
    ),
}
