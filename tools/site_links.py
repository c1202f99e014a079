"""Hook of the documentation site: links that leave `docs/` are said in words, as the site holds no more."""

from __future__ import annotations

import re
from typing import Any

_OUTSIDE = re.compile(r"\[([^\]]+)\]\((?:\.\./)+([^)#]+?)(?:#[^)]*)?\)")


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """The page's text with `[words](../file)` as `words (file)`, unless the file is a page of the site."""
    depth = page.file.src_uri.count("/")

    def in_words(link: re.Match[str]) -> str:
        climbs = link.group(0).count("../")
        return f"{link.group(1)} (`{link.group(2)}`)" if climbs > depth else link.group(0)

    return _OUTSIDE.sub(in_words, markdown)
