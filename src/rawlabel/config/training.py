"""The settings of training."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ValidationInfo, field_validator

from rawlabel import processes
from rawlabel.config.declaring import DEVICE_HELP, Device, Precision, pixel_limit, setting
from rawlabel.config.transfer_section import TransferSettings


class TrainConfig(TransferSettings):
    """Train on raw labels and select an epoch without a clean label."""

    refused: ClassVar[dict[str, str]] = {"mix_cifar": "name the second set with --mix, and leave this key out"}

    root: Path = setting(Path("project"), "Folder that holds the data: a project, or class-folder trees.")
    main: str | None = setting(
        None,
        "Training data under --root: a folder of class folders, a manifest, or another format that `rawlabel "
        "formats` lists; by default the newest manifest of the project, else `candidate`.",
        also="main_file",
    )
    test: str | None = setting(
        None,
        "Test set under --root whose accuracy is logged after each epoch, for people and the oracle only.",
        also="test_file",
    )
    sub: str | None = setting(
        None, "A second test set under --root, logged as `subset`, for people only.", also="sub_file"
    )
    partial_test: bool = setting(
        False, "Measure also on a test set that lacks training classes, on the classes it has, which are named."
    )
    label_column: str | None = setting(None, "Column of the raw labels, where the training data is a table.")
    test_label_column: str | None = setting(None, "Column of the labels, where the test set is a table.")
    image_column: str | None = setting(None, "Column of the images, where the data is a table.")
    select_classes: tuple[str | int, ...] = setting(
        (), "Class to train on, by its name or its index; may be given several times; by default all."
    )
    num_classes: int | None = setting(None, "Train on the first so many classes; by default all.", ge=2)
    min_allowed_images: int = setting(
        0, "Leave out classes with fewer images than this.", ge=0, also="min_allowed_imgs"
    )
    inject_noise: float = setting(
        0.0,
        "Make this share of the labels wrong on purpose, in training images and holdout alike [0 to 1].",
        ge=0,
        le=1,
    )
    noise_kind: str = setting(
        "symmetric",
        "Kind of injected noise; `rawlabel methods` lists them. Of those that replace photos, off_topic is for "
        "`rawlabel noise`, and mix is --mix.",
    )
    noise_option: tuple[str, ...] = setting(
        (), "Option of the kind of noise as KEY=VALUE; may be given several times."
    )
    mix: str | None = setting(
        None, "A second set under --root, whose images replace a share of each class's on purpose."
    )
    mix_rate: float = setting(0.04, "Share of each class that --mix replaces [0 to 1].", ge=0, le=1)
    train_size: int = setting(
        0, "Size of a random subset of the training images, drawn by the seed; 0 takes all.", ge=0
    )
    outpath: Path | None = setting(
        None, "Run directory; by default ROOT/runs/ and a name made from the settings and the data."
    )
    model: str = setting(
        "resnet50",
        "Network: any timm or torchvision model, cifar_resnet{8,20,32,44,56}, "
        "cifar_stem_resnet{18,34,50}, preact_resnet{18,32}, or small_convnet, which learns small images in few "
        "epochs; resnet means resnet50.",
    )
    pretrained: bool = setting(
        False, "Start from the model's published weights, and normalize pixels as these expect."
    )
    method: str = setting("cross_entropy", "Training method; `rawlabel methods` lists them.")
    method_option: tuple[str, ...] = setting(
        (), "Option of the method as KEY=VALUE, such as q=0.7; may be given several times."
    )
    ema: float = setting(
        0.0,
        "With any method: decay a step of an exponential moving average of the weights, which predicts in their "
        "place; 0.999 is usual, 0 keeps none.",
        ge=0,
        lt=1,
    )
    stop: str = setting("noisy_holdout", "Rule that selects the epoch; `rawlabel methods` lists them.")
    stop_option: tuple[str, ...] = setting(
        (), "Option of the rule as KEY=VALUE, such as window=5; may be given several times."
    )
    student: bool = setting(
        False,
        "With any method: train a teacher first, in the folder `teacher` of the run directory, and then a student "
        "on the labels that the teacher's selected epoch predicts (NTS).",
    )
    confident_learning: bool = setting(
        False,
        "With any method: first train a network on the complement of each fold of the training images, in the "
        "folder `folds` of the run directory, and leave out the images whose labels confident learning then "
        "doubts; confident_learning.parquet lists them.",
    )
    folds: int = setting(
        2,
        "Folds of --confident-learning; each costs a training, and images of one author are in one fold [folds].",
        ge=2,
        le=20,
    )
    refit: bool = setting(
        False,
        "Afterwards, train anew on all raw data, the holdout included, for as many steps as the selected epoch "
        "took, in the folder `refit` of the run directory.",
    )
    epochs: int = setting(120, "Passes through the training data [epochs].", ge=1)
    batch_size: int = setting(128, "Images in a step, over all processes.", ge=2)
    lr: float = setting(0.1, "Learning rate at the start.", gt=0)
    momentum: float = setting(0.9, "Momentum of SGD.", ge=0, lt=1)
    weight_decay: float = setting(1e-4, "Weight decay (L2) of SGD and Adam.", ge=0)
    weight_decay_on: Literal["all", "matrices"] = setting(
        "all",
        "What --weight-decay acts on: all parameters, as published, or those of two dimensions or more "
        "(matrices), which leaves out biases and the scales and shifts of normalization.",
    )
    decay_rate: float = setting(
        0.1, "Factor of each learning-rate step.", gt=0, le=1, also="lrdecay", flags=("--dr",)
    )
    decay_epochs: int = setting(30, "Distance of the learning-rate steps [epochs].", ge=1)
    decay_at: tuple[int, ...] = setting(
        (),
        "Epoch, counted from 0, from which on the rate is one step lower, in place of the steps every "
        "--decay-epochs; may be given several times.",
    )
    decay_max_epochs: int = setting(
        100,
        "No learning-rate step after this epoch, but those of --decay-at [epochs].",
        ge=0,
        also="max_lr_adjusting_epoch",
    )
    max_megapixels: float = pixel_limit()
    image_size: int = setting(224, "Side of the square images that the network sees [pixels].", ge=8)
    progressive_from: int = setting(
        0,
        "Side of the training views in the first epoch, from which it grows to --image-size over the first three "
        "quarters of the epochs; 0 keeps one size [pixels].",
        ge=0,
    )
    augment: Literal["auto", "resized_crop", "resized_crop_only", "crop_flip", "crop", "flip", "none"] = setting(
        "auto",
        "Training augmentation: random resized crop with or without flip, shifted crop with or without (for "
        "digits and letters) flip, flip alone, or none; auto takes crop_flip up to 64 pixels and resized_crop "
        "above.",
    )
    holdout: float = setting(
        0.1,
        "Share held out of class folders, for the stopping rule [0 to 1]; a manifest brings its own split.",
        ge=0,
        lt=1,
    )
    data_seed: int | None = setting(
        None,
        "Seed of the split, of --train-size and of injected noise; by default --seed, or 0 without one, so that a "
        "run without a seed has its data again.",
        ge=0,
    )
    train_accuracy: tuple[Literal["probe", "full", "augmented"], ...] = setting(
        ("probe",),
        "Accuracy on the training images to measure after each epoch, beside the running one: of a fixed part of "
        "them, of all, or of all on random views (as published); may be given several times.",
    )
    probe_images: int = setting(2000, "Images of the probe, an equal share of each class [images].", ge=1)
    seed: int | None = setting(None, "Seed of everything random; drawn and recorded when not given.", ge=0)
    keep_predictions: bool = setting(
        True,
        "Keep what the network said of each training image in each epoch, in the folder `training_predictions` of "
        "the run directory: what evidence about the labels is made from, at up to 2 bytes an image and epoch.",
    )
    precision: Precision = setting(
        "auto",
        "Arithmetic: bf16, fp32, or auto: of what the machine has, the faster one in a short trial, whose outcome "
        "is kept for this machine and network.",
    )
    exchange: Literal["fp32", "bf16"] = setting(
        "fp32",
        "What several processes exchange their gradients in: fp32, or bf16, half the bytes where the wire between "
        "machines is what a step waits for.",
    )
    accumulate: int = setting(
        1,
        "Parts in which a batch is computed one after the other: less memory for the same step. Batch norm then "
        "takes its statistics of each part.",
        ge=1,
    )
    compile: Literal["auto", "on", "off"] = setting(
        "auto",
        "Compile the network (torch.compile): always, never, or on a GPU where a timed trial finds it faster and "
        "the run is long enough to pay for it.",
    )
    device: Device = setting("auto", DEVICE_HELP)
    cache: Literal["auto", "none", "memory", "device"] = setting(
        "auto",
        "Where images are kept: device, small ones on the GPU, which then cuts the views itself; memory, decoded; "
        "none, decoded in every epoch; auto takes the first of these that the images are right for and that has "
        "room. What comes out is the same.",
    )
    workers: int | None = setting(
        None,
        "Threads that decode and augment images, in each process; by default one less than the processor cores of "
        "the process, and one a core while nothing is trained, as when images are read before the first epoch.",
        ge=1,
    )
    logger: tuple[str, ...] = setting(
        (),
        "Where to show each epoch as well: tensorboard (`pip install 'rawlabel[tensorboard]'`) or wandb "
        "(`rawlabel[wandb]`; offline unless WANDB_MODE is online and WANDB_API_KEY is set); may be given several "
        "times.",
    )

    @field_validator("lr")
    @classmethod
    def _not_below_lowest(cls, value: float, info: ValidationInfo) -> float:
        """The start of a rate that falls to `min_lr`."""
        if value < info.data.get("min_lr", 0):
            raise ValueError("is below --min-lr; raise it, or lower that one")
        return value

    @field_validator("decay_at")
    @classmethod
    def _in_order(cls, value: tuple[int, ...], info: ValidationInfo) -> tuple[int, ...]:
        """Named steps belong to one schedule, and each is made once, behind the first epoch."""
        if any(at < 1 for at in value):
            raise ValueError("should name epochs from 1 on")
        if value and info.data.get("lr_schedule", "step") != "step":
            raise ValueError("goes with --lr-schedule step alone; leave it out")
        if len(set(value)) < len(value):
            raise ValueError("names an epoch twice; name each once")
        return tuple(sorted(value))

    @property
    def loading_threads(self) -> int:
        """Threads that make batches in this process, beside the one that trains on them."""
        return self.workers or max(1, processes.own_cores() - 1)

    @property
    def reading_threads(self) -> int:
        """Threads that decode images in this process while it does nothing else."""
        return self.workers or processes.own_cores()

    @property
    def seed_of_data(self) -> int:
        """Seed of what is drawn about the data, and not about the training."""
        return (self.seed or 0) if self.data_seed is None else self.data_seed
