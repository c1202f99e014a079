"""The browser that tests of pages look through."""

from __future__ import annotations

import asyncio

import pytest

from tests.helpers import browser as helper

PAGE = """<!doctype html><html lang="en"><title>A page</title><main><h1>Hello</h1>
<button onclick="this.textContent = 'pressed'" style="padding: 8px">press</button><p id="scheme"></p></main>
<script>scheme.textContent = matchMedia("(prefers-color-scheme: dark)").matches</script>"""


@pytest.mark.integration
def test_the_browser_sees_presses_draws_and_judges(browser, tmp_path):
    (tmp_path / "good.html").write_text(PAGE)
    with browser.page(tmp_path / "good.html", width=400, scheme="dark") as page:
        assert asyncio.run(asyncio.sleep(0, "a loop beside it")) == "a loop beside it"
        assert (page.text("h1"), page.text("#scheme"), page.run("innerWidth")) == ("Hello", "true", 400)
        page.press("Tab", "Enter")
        assert (page.text("button"), page.focused()) == ("pressed", "button pressed")
        assert page.violations() == []
        assert (page.errors, page.requests) == ([], [])
        assert page.screenshot(tmp_path / "good.png").stat().st_size > 1000
        assert page.pdf(tmp_path / "good.pdf").read_bytes().startswith(b"%PDF")
    (tmp_path / "bad.html").write_text('<img src="http://127.0.0.1:9/x.png"><script>nothing()</script>')
    with browser.page(tmp_path / "bad.html") as page:
        found = page.violations()
        assert any(one.startswith("image-alt") for one in found)
        assert any("nothing is not defined" in one for one in page.errors)
        assert page.requests == ["http://127.0.0.1:9/x.png"]
    with browser.page(tmp_path / "good.html", script=False) as page:
        assert page.text("#scheme") == ""


def test_a_machine_without_a_browser_is_told(monkeypatch):
    monkeypatch.delenv("RAWLABEL_BROWSER", raising=False)
    monkeypatch.setattr(helper, "NAMES", ())
    monkeypatch.setattr(helper, "PLACES", ())
    with pytest.raises(pytest.skip.Exception, match="RAWLABEL_BROWSER"), helper.running_browser():
        pass
