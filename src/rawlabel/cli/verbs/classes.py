"""`rawlabel classes`."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import ClassesConfig
from rawlabel.records import ClassSpec

GROUP = "data"
PLACE = 10
SUMMARY = "write the list of classes and keywords: from names, WordNet ids or ImageNet"


def _classes(config: ClassesConfig) -> Ending:
    from rawlabel.gather.classes.selection import select
    from rawlabel.gather.classes.writing import write_classes

    selection = select(config)
    remarks = {
        class_id: [f"{one.wordnet_id} {', '.join(one.lemmas)}: {one.definition}" for one in meanings]
        for class_id, meanings in selection.meanings.items()
    }
    give({"classes": selection.classes, "may_mean": remarks})
    if config.out:
        changed = write_classes(config.out, selection.classes, remarks=remarks, force=config.force)
        keywords = sum(len(spec.keywords) for spec in selection.classes)
        counts = f"{len(selection.classes)} classes with {keywords} keywords"
        say(f"{config.out}: {counts}{'' if changed else ', as before'}")
    else:
        # One write, since a list of ImageNet-21k has 60,000 lines.
        say("\n".join(_listed(selection.classes, remarks)))
    if selection.found > config.limit:
        messages.inform(f"--search: the best {config.limit} of {selection.found} synsets; --limit takes more")
    return Ending(("plan", config.out) if config.out else ("classes", *config.classes, "--out", "classes.json"))


def _listed(classes: Sequence[ClassSpec], remarks: Mapping[str, Sequence[str]]) -> Iterator[str]:
    width = max(shutil.get_terminal_size((100, 24)).columns, 40)
    ids = min(max(len(spec.class_id) for spec in classes), width // 3)
    for spec in classes:
        yield f"{spec.class_id:<{ids}}  {', '.join(spec.keywords)}"
        texts = [spec.definition] if spec.definition else []
        if spec.class_id in remarks:
            texts = [f"may mean {line}" for line in remarks[spec.class_id]] or ["not a name in WordNet's tables"]
        for text in texts:
            yield textwrap.fill(text, width, initial_indent=" " * (ids + 2), subsequent_indent=" " * (ids + 2))


COMMAND = section_command("classes", ClassesConfig, _classes)
