"""The pages of the site for a person's browser: a search with thumbnails, and a page for each photo."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import jinja2

from rawlabel_photo_site.flickr.flickr_api import find
from rawlabel_photo_site.world.keywords import keyword_of
from rawlabel_photo_site.world.licenses import LICENSES
from rawlabel_photo_site.world.photos import SitePhoto
from rawlabel_photo_site.world.site import PhotoSite
from rawlabel_photo_site.world.sizes import BY_NAME, SIZES

_PER_PAGE = 48
_LAYOUT = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ heading|truncate(80) }} - simulated photo site</title>
<style>
 body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1rem; color: #1b2328;
        background: #f6f7f8 }
 a { color: #0b5cad } form { margin: 1rem 0 } input { font: inherit; padding: .4rem .6rem; min-width: 16rem }
 button { font: inherit; padding: .4rem .9rem } .note { color: #55616a } ul.grid { list-style: none; padding: 0;
 display: grid; grid-template-columns: repeat(auto-fill, minmax(160px, 1fr)); gap: 1rem }
 .grid li { background: #fff; border-radius: 6px; padding: 8px; overflow: hidden }
 .grid img { width: 100%; aspect-ratio: 1; object-fit: cover; background: #dde2e5; border-radius: 4px }
 .title { display: -webkit-box; -webkit-line-clamp: 2; -webkit-box-orient: vertical; overflow: hidden;
 overflow-wrap: anywhere } .tags { font-size: .8rem; color: #55616a; overflow-wrap: anywhere }
 .photo img { max-width: 100%; height: auto } h1 { overflow-wrap: anywhere } dt { font-weight: 600 }
</style></head><body>
<p class="note"><a href="/">Simulated photo site</a> on this computer. Photos, people and captions are made up.</p>
<form action="/" role="search"><label>Search photos <input name="text" type="search" value="{{ text }}"></label>
<button>Search</button></form>
{% block body %}{% endblock %}
</body></html>"""
_RESULTS = """{% extends "layout" %}{% block body %}
<p>Try {% for word in keywords %}<a href="/?text={{ word|urlencode }}">{{ word }}</a>{{ ", " if not loop.last }}
{%- endfor %}.</p>
<h1>{{ heading }}</h1>
<ul class="grid">{% for photo in photos %}
<li><a href="/photos/{{ photo.owner.nsid }}/{{ photo.photo_id }}"><img loading="lazy" alt=""
 src="{{ photo.thumbnail_path() }}">
<span class="title" dir="auto">{{ photo.caption.title or "(no title)" }}</span></a>
<div class="tags">{{ photo.owner.name }}{% for tag in photo.caption.tags %} #{{ tag }}{% endfor %}</div></li>
{% endfor %}</ul>
{% set query = "/?text=" ~ text|urlencode ~ "&page=" %}
<p>{% if page > 1 %}<a rel="prev" href="{{ query }}{{ page - 1 }}">Previous page</a>{% endif %}
 Page {{ page }} of {{ pages }}
 {% if page < pages %}<a rel="next" href="{{ query }}{{ page + 1 }}">Next page</a>{% endif %}</p>
{% endblock %}"""
_PHOTO = """{% extends "layout" %}{% block body %}
<h1 dir="auto">{{ heading }}</h1>
<p class="photo"><img alt="" src="{{ image }}"></p>
<p dir="auto">{{ photo.caption.description }}</p>
<dl><dt>By</dt><dd>{{ photo.owner.name }}</dd>
<dt>Uploaded</dt><dd>{{ uploaded }}</dd>
<dt>License</dt><dd><a href="{{ license[1] }}">{{ license[0] }}</a></dd>
<dt>Tags</dt><dd>{% for tag in photo.caption.tags %}
<a href="/?text={{ tag|urlencode }}">{{ tag }}</a>{% endfor %}</dd>
<dt>Sizes</dt><dd>{% for name, path, width, height in sizes %}<a href="{{ path }}">{{ width }} x {{ height }}</a>
{{ "(original)" if name == "o" }} {% endfor %}</dd></dl>
{% endblock %}"""


@functools.cache
def _templates() -> jinja2.Environment:
    pages = {"layout": _LAYOUT, "results": _RESULTS, "photo": _PHOTO}
    return jinja2.Environment(loader=jinja2.DictLoader(pages), autoescape=True, undefined=jinja2.StrictUndefined)


def results_page(site: PhotoSite, parameters: Mapping[str, str]) -> str:
    """The photos that a search finds, or the newest ones, as HTML."""
    text = parameters.get("text", "")
    sort = "relevance" if text.strip() else "date-posted-desc"
    found = find(site, {"text": text, "sort": sort})
    pages = max(1, math.ceil(len(found) / _PER_PAGE))
    wanted = parameters.get("page", "1")
    page = min(max(int(wanted) if re.fullmatch("[0-9]{1,9}", wanted) else 1, 1), pages)
    shown = found[(page - 1) * _PER_PAGE : page * _PER_PAGE]
    return (
        _templates()
        .get_template("results")
        .render(
            heading=f"{len(found)} photos of {text.strip()}" if text.strip() else f"{len(found)} photos",
            text=text,
            keywords=[keyword_of(name) for name in site.classes],
            photos=[site.photos[position] for position in shown],
            page=page,
            pages=pages,
        )
    )


def photo_page(photo: SitePhoto) -> str:
    """The page of one photo as HTML: caption, largest usual size, upload day, license and links to all sizes."""
    sizes = photo.sizes()
    best = next((name for name in ("z", "m", "w", "n", "c", "l") if name in sizes), None) or list(sizes)[-1]
    return (
        _templates()
        .get_template("photo")
        .render(
            heading=photo.caption.title or "(no title)",
            text="",
            photo=photo,
            image=photo.image_path(BY_NAME[best]),
            uploaded=datetime.fromtimestamp(photo.uploaded, UTC).strftime("%d %B %Y"),
            license=LICENSES[photo.license_id],
            sizes=[(size.name, photo.image_path(size), *sizes[size.name]) for size in SIZES if size.name in sizes],
        )
    )
