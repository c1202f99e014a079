"""Settings as the authors published them."""

from __future__ import annotations

# As in the files that the authors published.
PUBLISHED = {
    "root": "/somewhere/else", "workers": 4, "epochs": 120, "start_epoch": 0, "batch_size": 128, "lr": 0.1,
    "lrdecay": 0.1, "momentum": 0.9, "weight_decay": 0.0001, "print_freq": 1000, "resume": "",
    "main_file": "candidate", "sub_file": None, "test_file": "test", "outpath": "/somewhere/else/run",
    "model": "resnet50", "inject_noise": 0, "mix_cifar": False, "mix_rate": 0.04, "min_allowed_imgs": 0,
    "schedule_lr": False, "max_lr_adjusting_epoch": 100, "evaluate": False, "track_correct": False,
    "pretrained": False, "seed": None, "gpu": None, "distributed": False,
}  # fmt: skip
