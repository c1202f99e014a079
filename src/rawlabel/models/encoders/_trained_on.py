"""What timm's tags of weights, such as `augreg_in21k_ft_in1k`, say about the data that they were trained on."""

from __future__ import annotations

from rawlabel.models.encoder import UNKNOWN, Training

_BY_PEOPLE = {
    "in1k": ("ImageNet-1k", "imagenet-1k"),
    "in12k": ("ImageNet-12k", "imagenet-12k"),
    "in21k": ("ImageNet-21k", "imagenet-21k"),
    "in22k": ("ImageNet-22k", "imagenet-21k"),
}
_WITHOUT = {
    "lvd142m": ("LVD-142M, photos of the web", "nobody (self-supervised)"),
    "lvd1689m": ("LVD-1689M, photos of the web", "nobody (self-supervised)"),
    "laion2b": ("LAION-2B, photos of the web", "the texts beside them"),
    "laion400m": ("LAION-400M, photos of the web", "the texts beside them"),
    "webli": ("WebLI, photos of the web", "the texts beside them"),
    "datacomp": ("DataComp, photos of the web", "the texts beside them"),
    "openai": ("400 million photos of the web", "the texts beside them"),
    "ig1b": ("photos of Instagram", "their hashtags"),
    "swag": ("photos of Instagram", "their hashtags"),
    "yfcc100m": ("YFCC-100M, photos of Flickr", "their hashtags"),
}


def training_of_tag(tag: str) -> Training:
    """What a tag says; `UNKNOWN` where it says nothing."""
    data: list[str] = []
    labels: list[str] = []
    lists: list[str] = []
    for part in tag.split("_"):
        if part in _BY_PEOPLE:
            name, listed = _BY_PEOPLE[part]
            data.append(name)
            labels.append("people")
            lists.append(listed)
        elif part in _WITHOUT:
            what, whose = _WITHOUT[part]
            data.append(what)
            labels.append(whose)
    if not data:
        return UNKNOWN
    return Training(", then ".join(data), ", then ".join(dict.fromkeys(labels)), tuple(dict.fromkeys(lists)))
