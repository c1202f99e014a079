"""rawlabel: class names in, a trained and measured image classifier out, with no human annotator.

The stages meet at three artifacts, and each stage can be used alone:

- the catalogue (`rawlabel.artifacts.catalogue`): facts about what photo sites returned,
- the manifest (`rawlabel.artifacts.manifest`): the decisions of one curation,
- the run directory (`rawlabel.artifacts.run_directory`): the evidence of one training run.

Importing this package does no work: it opens no file, starts no thread and loads no torch.
"""

from rawlabel.base.version import __version__

__all__ = ["__version__"]
