"""The responsible-AI fields of a Croissant card.

Source: https://docs.mlcommons.org/croissant/docs/croissant-rai-spec.html
"""

from __future__ import annotations

from rawlabel.base.json_values import JsonObject
from rawlabel.manifests.formats._facts import Facts


def responsible_ai(facts: Facts) -> JsonObject:
    """What the vocabulary asks for and the manifest knows; what nobody knows is called not known or left out."""
    lost = "; ".join(f"{count} {verdict} ({reason})" for verdict, reason, count in facts.losses) or "none"
    sources = ", ".join(f"{source} ({found} found, {kept} kept)" for source, found, kept in facts.sources)
    curation = [f"{key}: {value}" for key, value in facts.curation]
    fields: JsonObject = {
        "dataCollection": f"Each keyword of each class was searched on photo sites: {sources}.",
        "dataCollectionType": ["Web API"],
        "dataCollectionRawData": "Files as the image hosts sent them; the manifest has address and SHA-256.",
        "dataCollectionMissingData": f"Of {facts.found} photos that were found, these are not kept: {lost}.",
        "dataPreprocessingProtocol": [
            "Files that do not decode, placeholders, small photos and copies were rejected; no label was changed.",
            *curation,
        ],
        "dataAnnotationProtocol": [
            "No annotation: the label of a photo is the class whose keyword found it.",
            *facts.notices,
        ],
        "annotationsPerItem": "0",
        "dataUseCases": ["Training with noisy labels, and research on label noise; not for measuring accuracy."],
        "dataLimitations": [
            "The share of wrong labels is not known. The holdout has raw labels too; there is no clean test set.",
            "Addresses of photos die over time.",
        ],
        "dataBiases": ["Photo sites show what their users like to photograph, unevenly over places and things."],
        "personalSensitiveInformation": [
            f"Names of authors ({facts.authors} different ones), as licenses ask. Whether people can be "
            "recognized in the photos is not known.",
        ],
        "dataReleaseMaintenancePlan": "`rawlabel prune` asks the sources again and writes a version without the "
        "photos that were taken down; changed records make a new MAJOR version, added ones a MINOR version.",
    }
    if facts.days:
        fields["dataCollectionTimeframe"] = [day.isoformat() for day in facts.days]
    return {f"rai:{key}": value for key, value in fields.items()}
