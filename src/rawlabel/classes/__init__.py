"""Class lists: what to learn, and which keywords to search for each class.

`reading` and `writing` know the files, `wordnet` the meanings of words, `selection` how a list is put
together, and `warnings` what is wrong with one.
"""

from rawlabel.classes.reading import read_classes
from rawlabel.classes.writing import write_classes

__all__ = ["read_classes", "write_classes"]
