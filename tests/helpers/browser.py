"""A real browser, for what only one can tell of a page: what a person sees, presses and hears.

It is the machine's own Chromium, driven by playwright in a thread of its own, so that tests beside it may run
event loops. Where there is none, or playwright is missing, tests that ask for it skip; the environment variable
RAWLABEL_BROWSER names one that lies elsewhere.

    def test_something(browser, tmp_path):
        with browser.page(tmp_path / "report.html", width=400, scheme="dark") as page:
            page.press("Tab", "Enter")
            assert page.text("h1") == "..."
            assert page.violations() == []
            assert page.errors == [] and page.requests == []
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
PLACES = (Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),)
SECONDS = 120
"""How long anything may take, as a browser beside other work is slow; what hangs ends then."""
RULES = {"rules": {"target-size": {"enabled": True}}, "resultTypes": ["violations"]}
"""All of axe's rules, and the size of targets, which it leaves out unless asked."""


def executable():
    """The browser of this machine; None where there is none."""
    named = os.environ.get("RAWLABEL_BROWSER")
    if named:
        return named
    found = (shutil.which(name) for name in NAMES)
    return next((one for one in found if one), None) or next((str(one) for one in PLACES if one.is_file()), None)


class Page:
    """A page that is open in the browser."""

    def __init__(self, do, page):
        self.do = lambda function: do(lambda: function(page))
        """Hands the playwright page to a function, in the browser's thread, for what has no name here."""
        self.errors, self.requests = [], []
        """What the console and scripts complained about; addresses asked for that are neither files nor data."""
        self.do(self._listen)

    def _listen(self, page):
        page.on("console", lambda one: one.type == "error" and self.errors.append(one.text))
        page.on("pageerror", lambda one: self.errors.append(str(one)))
        page.on("request", lambda one: one.url.startswith(("file:", "data:")) or self.requests.append(one.url))

    def open(self, address):
        """Go to a file or an http address, and wait until it is loaded."""
        self.do(lambda page: page.goto(address.resolve().as_uri() if isinstance(address, Path) else address))

    def run(self, script):
        """The value of a JavaScript expression, or of a function without arguments."""
        return self.do(lambda page: page.evaluate(script))

    def until(self, script, argument=None):
        """Wait until a JavaScript function holds; playwright's own waiting needs eval, which our pages forbid."""
        deadline = time.monotonic() + SECONDS
        while not self.do(lambda page: page.evaluate(script, argument)):
            assert time.monotonic() < deadline, f"still not: {script} {argument or ''}"
            time.sleep(0.05)

    def text(self, selector):
        """What a reader sees of the first element that a CSS selector finds, on one line."""
        return " ".join(self.do(lambda page: page.locator(selector).first.inner_text()).split())

    def count(self, selector, *, visible=False):
        """Elements that a CSS selector finds."""
        return self.do(lambda page: page.locator(selector + (":visible" if visible else "")).count())

    def wait(self, selector):
        """Wait until an element is seen."""
        self.do(lambda page: page.locator(selector).first.wait_for())

    def click(self, selector):
        """Press the left mouse button on the first such element, once it can be pressed."""
        self.do(lambda page: page.locator(selector).first.click())

    def press(self, *keys):
        """Press real keys one after the other, such as `Tab`, `Enter`, `Shift+Tab`, `ArrowDown` or `a`."""
        for key in keys:
            self.do(lambda page, key=key: page.keyboard.press(key))

    def upload(self, selector, *files):
        """Choose files in a file input."""
        self.do(lambda page: page.locator(selector).set_input_files([str(one) for one in files]))

    def focused(self):
        """The element that has the focus, as its tag, id and text."""
        script = "(e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + ' ' + e.textContent.trim())"
        return self.run(f"{script}(document.activeElement)")[:120]

    def is_wider_than_screen(self):
        """Whether the whole page has to be scrolled sideways."""
        return self.run("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def screenshot(self, path, *, whole=True):
        """Write a PNG of the whole page, or of what the window shows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.do(lambda page: page.screenshot(path=str(path), full_page=whole))
        return path

    def pdf(self, path):
        """Write what the page looks like on A4 paper."""
        self.do(lambda page: page.pdf(path=str(path), format="A4", print_background=True))
        return path

    def violations(self, scope=None):
        """What axe-core finds wrong, a line each: rule, element, what to mend; in part of the page where asked."""
        from axe_playwright_python.sync_playwright import Axe

        found = self.do(lambda page: Axe().run(page, context=scope, options=RULES)).response["violations"]
        return [
            f"{one['id']}: {node['html'][:200]} ({' '.join(node['failureSummary'].split())[:300]})"
            for one in found
            for node in one["nodes"]
        ]


class Browser:
    """The running browser."""

    def __init__(self, do, browser):
        self._do, self._browser = do, browser

    @contextmanager
    def page(self, address, *, width=1280, height=900, scheme="light", script=True) -> Iterator[Page]:
        """Open a path or an http address in a window of that size; `script` False turns scripts off."""

        def start():
            context = self._browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme=scheme,
                java_script_enabled=script,
                reduced_motion="reduce",
            )
            context.set_default_timeout(1000 * SECONDS)
            return context, context.new_page()

        context, opened = self._do(start)
        try:
            page = Page(self._do, opened)
            page.open(address)
            yield page
        finally:
            self._do(context.close)


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start the machine's browser; skips the test that asks for it where there is none."""
    path = executable()
    if path is None:
        pytest.skip("no Chromium here; install one, or name it in RAWLABEL_BROWSER")
    playwright = pytest.importorskip("playwright.sync_api", reason="no playwright: pip install .[dev]")
    with ThreadPoolExecutor(1, thread_name_prefix="browser") as thread:

        def do(function):
            return thread.submit(function).result(timeout=4 * SECONDS)

        driver = do(lambda: playwright.sync_playwright().start())
        try:
            # The sandbox needs rights that containers do not give, and the pages are our own.
            browser = do(
                lambda: driver.chromium.launch(executable_path=path, args=["--no-sandbox"], timeout=1000 * SECONDS)
            )
            try:
                yield Browser(do, browser)
            finally:
                do(browser.close)
        finally:
            do(driver.stop)
