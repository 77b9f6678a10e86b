"""Train a fold of nnU-Net for a few iterations and predict its validation: `DATASET FOLD`, by nnU-Net's own Python."""

import sys

import torch
from nnunetv2.run.run_training import get_trainer_from_args

if __name__ == "__main__":
    dataset, fold = sys.argv[1:]
    torch.set_num_threads(1)
    trainer = get_trainer_from_args(dataset, "2d", int(fold), "nnUNetTrainer_1epoch", device=torch.device("cpu"))
    trainer.num_iterations_per_epoch, trainer.num_val_iterations_per_epoch = 4, 1
    trainer.run_training()
    trainer.perform_actual_validation(False)
