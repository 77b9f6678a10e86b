"""Train a fold of nnU-Net for a few iterations and predict its validation: `DATASET FOLD`, by nnU-Net's own Python.

What `nnUNetv2_train DATASET 2d FOLD -tr nnUNetTrainer_1epoch -device cpu` does, in which an epoch is 250 iterations.
"""

import json
import sys
from pathlib import Path

import torch
from nnunetv2.paths import nnUNet_preprocessed
from nnunetv2.training.nnUNetTrainer.variants.training_length.nnUNetTrainer_Xepochs import nnUNetTrainer_1epoch

if __name__ == "__main__":
    dataset, fold = sys.argv[1:]
    torch.set_num_threads(1)
    plans, described = (
        json.loads(Path(nnUNet_preprocessed, dataset, f"{name}.json").read_text())
        for name in ("nnUNetPlans", "dataset")
    )
    plans |= {"continue_training": False}
    trainer = nnUNetTrainer_1epoch(plans, "2d", int(fold), described, device=torch.device("cpu"))
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 4, 1
    trainer.run_training()
    trainer.perform_actual_validation(False)
