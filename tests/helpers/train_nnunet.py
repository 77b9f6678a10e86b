"""Train a fold of nnU-Net briefly and predict its validation, by nnU-Net's own Python.

    python tests/helpers/train_nnunet.py DATASET FOLD [--iterations 4] [--batch 12] [--bfloat16] [--plain]

What `nnUNetv2_train DATASET 2d FOLD -device cpu` does, but for the number of iterations (in at most ten epochs, over
which the learning rate falls) and, where asked for, the size of a batch, predictions without mirrored copies (plain),
and convolutions in bfloat16, while losses stay in float32: nnU-Net computes in half precision on graphics cards alone.
"""

import argparse
import contextlib
import json
from pathlib import Path

import torch
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class BriefTrainer(nnUNetTrainer):
    """nnU-Net's trainer with its loss in float32 whatever the network computes in."""

    def _build_loss(self):
        loss = super()._build_loss()

        def in_float32(outputs, target):
            with torch.autocast("cpu", enabled=False):
                outputs = [one.float() for one in outputs] if isinstance(outputs, list) else outputs.float()
                return loss(outputs, target)

        return in_float32


def main():
    """Train and predict as the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("fold", type=int)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--bfloat16", action="store_true")
    parser.add_argument("--plain", action="store_true")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    plans, described = (
        json.loads(Path(nnUNet_preprocessed, asked.dataset, f"{name}.json").read_text())
        for name in ("nnUNetPlans", "dataset")
    )
    plans |= {"continue_training": False}
    if asked.batch:
        plans["configurations"]["2d"]["batch_size"] = asked.batch
    trainer = BriefTrainer(plans, "2d", asked.fold, described, device=torch.device("cpu"))
    trainer.num_epochs = min(10, asked.iterations)
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = asked.iterations // trainer.num_epochs, 1
    # the cache would keep the first weights' copies for the whole training: nothing but the norms would learn
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False) if asked.bfloat16 else contextlib.nullcontext():
        trainer.run_training()
        if asked.plain:
            trainer.inference_allowed_mirroring_axes = None
        trainer.perform_actual_validation(False)


if __name__ == "__main__":
    main()
