"""One file a verb; each holds `COMMAND`. The one-line summaries stand here, so that help imports no verb."""

SUMMARIES = {
    "demo": "run the whole chain on a simulated photo site: no key, no network, no GPU",
    "classes": "write the list of classes and keywords: from names, WordNet ids or ImageNet",
    "plan": "say what a collection will cost, and what is doubtful in the class list",
    "collect": "search photo sites by keyword and download what they return",
    "curate": "clean a collection without touching its labels",
    "train": "train on raw labels and select an epoch without a clean label",
    "evaluate": "open the test set and measure a finished run",
    "compare-rules": "say how far each stopping rule stays below the best epoch, on finished runs",
    "figures": "draw the paper's figures from result folders",
    "report": "write one HTML page about a collection and a run",
    "predict": "classify images with a finished run",
    "export": "write the kept photos in a format that other tools read",
    "verify": "check that the files on disk are what catalogue and manifest say",
    "rebuild": "re-create a data set from its manifest and say what has changed",
    "diff": "compare two manifests",
    "prune": "ask the photo sites again and leave out what was taken down",
    "sources": "list the photo sites",
    "methods": "list the training methods and stopping rules",
    "formats": "list the formats that `export` writes",
    "photo-site": "serve a simulated photo site on loopback",
}
