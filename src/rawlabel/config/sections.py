"""The settings of every stage. Each verb of the command uses one section, and every field of a section is a
flag of that verb. The description of a field is its help text, and has no other home.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.bench_section import BenchConfig
from rawlabel.config.declaring import Precision, Section, pixel_limit, setting
from rawlabel.config.manifest_sections import DiffConfig, NoiseConfig, PruneConfig, RebuildConfig, VerifyConfig
from rawlabel.config.network_sections import DownloadSettings, SourcesConfig
from rawlabel.config.pack_section import PackConfig
from rawlabel.config.prepare_section import PrepareConfig
from rawlabel.config.study_sections import (
    CompareRulesConfig,
    ExperimentConfig,
    LabelsConfig,
    ProbeConfig,
    WorthConfig,
)
from rawlabel.config.training import TrainConfig
from rawlabel.licenses import LicensePreset


class ClassesConfig(Section):
    """Write a class file: what to learn, the keywords to search, and which meaning of a word is meant."""

    classes: tuple[str, ...] = setting(
        (),
        "WordNet ids (n02229544) and names ('barn owl'). An id brings WordNet's words for it as keywords; a "
        "name is its own keyword.",
        positional=True,
    )
    subset: (
        Literal["imagenet-1k", "imagenet-12k", "imagenet-21k", "paper-100", "paper-135", "paper-200"] | None
    ) = setting(None, "Classes of ImageNet, or those that the paper trained on (100, 135) or searched (200).")
    names: Path | None = setting(
        None, "File of classes to start from: one name or WordNet id a line, or a class file (JSON, TOML)."
    )
    search: str | None = setting(
        None, "Words to find in WordNet's names or, where none has them, definitions; within --subset if given."
    )
    limit: int = setting(25, "Most synsets that --search takes, best first.", ge=1)
    out: Path | None = setting(
        None,
        "File to write: .json ({class id: [keywords]}, the paper's form) or .toml (with definitions); without it, "
        "the classes are listed.",
    )
    force: bool = setting(False, "Replace a file at --out that has other content.")


class CollectConfig(DownloadSettings):
    """Search photo sites by keyword and download what they return."""

    classes: Path | None = setting(
        None,
        "File of classes: JSON {class id: [keywords]}, TOML, or a plain list with one name a line; the sources "
        "folder, urls and manifest bring their own.",
        positional=True,
    )
    project: Path = setting(Path("project"), "Folder that gets the catalogue and the photos.")
    source: tuple[str, ...] = setting(
        ("commons",), "Where to search; may be given several times. `rawlabel sources` lists them."
    )
    base_url: tuple[str, ...] = setting(
        (),
        "Address of a source's API, for a mirror or a simulated site: ADDRESS for all sources, or SOURCE=ADDRESS; "
        "the sites' own by default.",
    )
    input: Path | None = setting(
        None, "Tree of images, table of addresses or manifest that the sources folder, urls and manifest read."
    )
    url_column: str | None = setting(None, "Column of the image addresses of a table; guessed by default.")
    class_column: str | None = setting(None, "Column of the class names of a table; guessed by default.")
    per_class: int = setting(
        500,
        "Good photos (unique, decodable, large enough, license allowed) to gather for each class, where search "
        "and download stop; 0 takes all there are.",
        ge=0,
    )
    per_keyword: int | None = setting(None, "Most photos to take from the search for one keyword.", ge=1)
    licenses: LicensePreset = setting(
        LicensePreset.ANY,
        "Photos to take by license: any; open (Creative Commons and public domain); commercial (open, without "
        "NC); derivatives (open, without ND); free (open, with neither).",
    )
    until: str | None = setting(
        None,
        "Last day of upload that is searched, as ISO 8601 writes it; by default the day before the first run.",
    )
    search_only: bool = setting(False, "Search and record what is found, and download nothing.")
    min_side: int = setting(32, "Smallest shorter side of a good photo [pixels].", ge=1)
    image_size: int = setting(
        256, "Wanted shorter side of the photos [pixels]; the smallest offered size that reaches it.", ge=16
    )
    engine: Literal["local", "ray"] = setting(
        "local", "What downloads and decodes: this machine, or a Ray cluster (`pip install 'rawlabel[ray]'`)."
    )
    ray_address: str | None = setting(
        None,
        "Address of the Ray cluster: HOST:PORT as `ray start` prints it, or auto on a machine of it; by default a "
        "cluster of its own on this machine.",
    )
    calls_per_hour: int | None = setting(
        None,
        "Most API calls an hour, in place of the source's own limits; raise it only where the site allows it.",
        ge=1,
    )


class PlanConfig(CollectConfig):
    """Say what a collection will cost before it starts, and what is doubtful in the class list.

    Takes the settings of `rawlabel collect`. Each keyword is searched once; the page is recorded in the project,
    so `collect` goes on behind it and no call is wasted.
    """

    offline: bool = setting(False, "Ask no site: warnings and upper limits only.")
    out: Path | None = setting(None, "File to write the plan to (JSON).")


class CurateConfig(Section):
    """Clean a collection without touching its labels, and freeze the decisions in a manifest."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    min_side: int = setting(32, "Smallest accepted shorter side [pixels].", ge=1)
    max_megapixels: float = pixel_limit()
    placeholder_copies: int = setting(
        3, "An image served under at least this many photos of different known authors is a placeholder.", ge=2
    )
    cross_class: Literal["reject", "first", "keep"] = setting(
        "reject",
        "A photo found for several classes: reject all, keep it for the first class, or keep all.",
    )
    holdout: float = setting(0.1, "Share of photo groups held out from training [0 to 1].", ge=0, lt=1)
    seed: int = setting(0, "Seed of the split into training and holdout.", ge=0)
    workers: int = setting(2, "Threads that decode photos.", ge=1)


class EvaluateConfig(Section):
    """Open the test set once and measure a finished run on it."""

    run: Path | None = setting(None, "Run directory.", positional=True)
    test: Path | None = setting(
        None, "Folder of class folders with clean labels; by default the one that the run logged."
    )
    batch_size: int = setting(256, "Images in a step.", ge=1)
    precision: Precision = setting(
        "auto", "Arithmetic: bf16, fp32, or auto: what the run was trained in, where the machine has it."
    )
    max_megapixels: float = pixel_limit()
    partial_test: bool = setting(
        False, "Measure also on a test set that lacks training classes, on the classes it has, which are named."
    )
    confidence: float = setting(0.95, "Confidence of the intervals [0 to 1].", gt=0, lt=1)
    truth: Path | None = setting(
        None,
        "Truth about the training photos, of a simulated photo site or as JSON {name: class}; with it, which "
        "labels were fitted first is measured, and a site's tells the share of right raw labels.",
    )


class FiguresConfig(Section):
    """Draw Figures 2, 7, 5-a, 5-b and 8 of the paper from result folders in the published layout."""

    results: Path = setting(Path("results"), "Folder of result folders (flickr_cls100, ...).")
    metadata: Path | None = setting(None, "Folder of the class lists (idx2cls.json, ...).")
    out: Path = setting(Path("figures"), "Folder that gets the figures (PNG, PDF) and their numbers (CSV).")
    figure: tuple[Literal["2", "7", "5-a", "5-b", "8"], ...] = setting(
        (), "Draw only this figure of the paper; may be given several times; by default all, and the runs as well."
    )
    where: tuple[str, ...] = setting(
        (),
        "Draw only the runs, at any depth below --results, whose config.json has this setting, as KEY=VALUE such "
        "as model=resnet50; may be given several times.",
    )
    test_labels: Path | None = setting(
        None,
        "Labels of the test images (.npy, or `y_test` of an .npz), for files *_corr.json that name the right "
        "images by their positions.",
    )


class ReportConfig(Section):
    """Write one self-contained HTML page about a collection and a run."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    run: Path | None = setting(None, "Run directory; by default the newest run of the project.")
    out: Path | None = setting(None, "File to write; by default PROJECT/report.html.")
    photos_per_class: int = setting(12, "Photos in the montage of each class.", ge=0)
    probe: bool = setting(
        True,
        "Measure simple classifiers on the run's own features first, where that was not done (as `rawlabel probe` "
        "does); takes about as long as reading the run's images once.",
    )


class PredictConfig(Section):
    """Classify images with a finished run: path, class and probability, separated by tabs, a line each.

    Tabs and line breaks in a path are written as \\t, \\n and \\r. Exit code 0: all images are classified; 1: some
    cannot be read or decoded, and are named with what to do; 2: nothing was classified.
    """

    run: Path | None = setting(None, "Run directory.", positional=True)
    images: tuple[str, ...] = setting(
        (), "Images or folders; `-` reads paths from the standard input, one a line.", positional=True
    )
    top: int = setting(1, "Classes to print for each image.", ge=1)
    batch_size: int = setting(64, "Images in a step.", ge=1)
    precision: Precision = setting(
        "auto", "Arithmetic: bf16, fp32, or auto, the faster one in a short trial on this machine."
    )
    max_megapixels: float = pixel_limit()


class ExportConfig(Section):
    """Write the kept photos in a format that other tools read."""

    project: Path = setting(Path("project"), "Folder that holds the collection.", positional=True)
    format: str = setting("class_folders", "Format to write; `rawlabel formats` lists them with what each is for.")
    out: Path | None = setting(
        None, "Folder to write; by default PROJECT/candidate for class folders, else PROJECT/exports/FORMAT."
    )
    manifest: Path | None = setting(None, "Manifest to export; by default the project's newest.")
    metadata: Literal["auto", "strip", "keep"] = setting(
        "auto",
        "What becomes of EXIF, GPS, XMP and comments inside the photos: strip (the pixels stay the same), keep, "
        "or auto (strip, but keep in class folders, which are hard links to the stored photos).",
    )
    per_shard: int = setting(1000, "Photos in one file of webdataset and parquet.", ge=1)
    engine: Literal["local", "ray"] = setting(
        "local", "What writes webdataset shards: this process, or a Ray cluster (`pip install 'rawlabel[ray]'`)."
    )
    ray_address: str | None = setting(
        None, "Address of the Ray cluster: HOST:PORT or auto; by default one on this machine."
    )
    workers: int = setting(2, "Processes of a Ray of this machine's own.", ge=1)
    name: str | None = setting(None, "Name of the data set in cards; by default that of the project's folder.")
    creator: str | None = setting(None, "Person or organization that cards name as the data set's creator.")
    homepage: str | None = setting(None, "Web address at which the data set is described or handed out.")
    earlier: Path | None = setting(
        None,
        "Croissant card of the version before, from which the new version counts; by default the one in --out.",
    )


class PhotoSiteConfig(Section):
    """Serve a simulated photo site on loopback, with modelled search noise and known truth."""

    photos: Path | None = setting(
        None, "Folder tree of photos (folder name = true content); by default the built-in digits."
    )
    host: str = setting("127.0.0.1", "Loopback address to listen on.")
    port: int = setting(8765, "Port to listen on; 0 takes a free one.", ge=0, le=65535)
    seed: int = setting(0, "Seed of titles, owners, dates, noise and faults.", ge=0)
    noise: float = setting(0.4, "Share of search results whose content is not the keyword's [0 to 1].", ge=0, lt=1)
    per_class: int | None = setting(
        None, "Search results of each class; by default 300 built-in ones, or as many as --photos allow.", ge=1
    )
    api_key: str | None = setting(None, "API key that the site demands; any key is accepted by default.")
    test_photos: Path | None = setting(
        None, "With --photos: folder tree of test photos, copies of a few of which turn up in searches."
    )
    write_test_set: Path | None = setting(
        None, "Folder to write the built-in collection's clean test set to before serving."
    )
    truth: Path | None = setting(None, "File to write the truth of each photo to (JSON) before serving.")
    homonym_class: tuple[str, ...] = setting(
        (),
        "Class whose name also means another thing, so that many of its results show that thing; may be given "
        "several times.",
    )
    sibling_pair: tuple[str, ...] = setting(
        (),
        "Two classes that people hardly tell apart, as CLASS:CLASS; much of either's results shows the other, and "
        "many photos are found for both; may be given several times.",
    )
    count_noise: float = setting(
        0.0, "How far off the totals of Flickr's searches are, as a share of them [0 to 1].", ge=0, lt=1
    )
    images_per_second: float | None = setting(
        None,
        "Images that a client gets [per second] before it is refused with status 429; no limit by default.",
        gt=0,
    )


class DemoConfig(Section):
    """Run the whole chain on a simulated photo site: no key, no network, no GPU."""

    out: Path = setting(Path("demo"), "Folder that gets everything the demo makes.")
    seed: int = setting(0, "Seed of the site, the split and the training.", ge=0)
    seeds: int = setting(1, "Chains to run, on seeds counted up from --seed; several also make a table.", ge=1)
    photos: Path | None = setting(
        None, "Folder tree of photos for the site (folder name = keyword); by default the built-in digits."
    )
    test_photos: Path | None = setting(
        None, "With --photos: folder tree of clean test photos with the same folder names."
    )
    per_class: int | None = setting(
        None, "Search results of each class; by default 250 built-in ones, or as many as --photos allow.", ge=20
    )
    noise: float = setting(0.4, "Share of search results whose content is not the keyword's [0 to 1].", ge=0, lt=1)
    model: str | None = setting(None, "Network; by default cifar_resnet20 for digits, resnet18 for --photos.")
    image_size: int | None = setting(
        None, "Side of the images that the network sees [pixels]; by default 24 for digits, 64 for --photos.", ge=8
    )
    epochs: int = setting(40, "Passes through the training data [epochs].", ge=3)


class Config(Section):
    """The whole tree."""

    classes: ClassesConfig = ClassesConfig()
    collect: CollectConfig = CollectConfig()
    plan: PlanConfig = PlanConfig()
    curate: CurateConfig = CurateConfig()
    prepare: PrepareConfig = PrepareConfig()
    pack: PackConfig = PackConfig()
    train: TrainConfig = TrainConfig()
    evaluate: EvaluateConfig = EvaluateConfig()
    probe: ProbeConfig = ProbeConfig()
    bench: BenchConfig = BenchConfig()
    compare_rules: CompareRulesConfig = CompareRulesConfig()
    worth: WorthConfig = WorthConfig()
    experiment: ExperimentConfig = ExperimentConfig()
    labels: LabelsConfig = LabelsConfig()
    figures: FiguresConfig = FiguresConfig()
    report: ReportConfig = ReportConfig()
    predict: PredictConfig = PredictConfig()
    export: ExportConfig = ExportConfig()
    verify: VerifyConfig = VerifyConfig()
    rebuild: RebuildConfig = RebuildConfig()
    diff: DiffConfig = DiffConfig()
    prune: PruneConfig = PruneConfig()
    sources: SourcesConfig = SourcesConfig()
    noise: NoiseConfig = NoiseConfig()
    photo_site: PhotoSiteConfig = PhotoSiteConfig()
    demo: DemoConfig = DemoConfig()
