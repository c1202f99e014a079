"""The review page in a real browser: by keys alone, on a phone's width, in the dark, and for screen readers."""

from __future__ import annotations

from typing import Any

import pytest

from rawlabel.artifacts.review.answer_file import answers_path, read_answers
from rawlabel.artifacts.review.answers import Answer
from tests.helpers.browser import Browser, Page
from tests.helpers.report_project import HOSTILE_TITLE
from tests.helpers.review_server import Served

pytestmark = pytest.mark.integration


LEAVE = "() => { document.querySelector('#main').firstElementChild.dataset.left = ''; "
"""Marks what is shown, which the next view takes away, and goes on to what follows."""


def counts(served: Served) -> dict[Answer, int]:
    standing = [answer for _, answer in read_answers(answers_path(served.project)).answers.standing()]
    return {answer: standing.count(answer) for answer in Answer}


def press(page: Page, *keys: str) -> None:
    """Press each key when the page takes one, which it does not while it is busy, and wait for what it asks."""
    page.wait("#main:not([aria-busy])")
    for key in keys:
        page.press(key)
        page.wait("#main:not([aria-busy])")


def until(page: Page, words: str) -> None:
    page.until("words => document.body.innerText.includes(words)", words)


def test_suspects_by_keys_alone_with_undo(browser: Browser, served: Served) -> None:
    with browser.page(served.address) as page:
        page.wait("#asked")
        assert page.text("#asked") == "Is this barn owl?"
        assert "more like robin" in page.text(".hint")
        press(page, "d")
        until(page, "1 photo looked at · 1 dropped")
        press(page, "k")
        until(page, "1 dropped · 1 kept")
        press(page, "n")
        until(page, "1 not sure")
        assert counts(served) == {Answer.DROP: 1, Answer.KEEP: 1, Answer.NOT_SURE: 1}
        press(page, "ArrowRight", "z")
        assert page.text("#progress") == "3 photos looked at · 1 dropped · 1 kept"
        assert counts(served)[Answer.NOT_SURE] == 0
        assert page.text("#said").startswith("Taken back. Is this")
        # Keys that a person turned off do nothing, and those with Ctrl belong to the browser.
        page.click("#keys")
        press(page, "d", "Control+d")
        assert counts(served) == {Answer.DROP: 1, Answer.KEEP: 1, Answer.NOT_SURE: 0}
        assert page.errors == []
        assert all(address.startswith(served.address) for address in page.requests)


def test_a_page_of_a_class_by_keys_alone(browser: Browser, served: Served) -> None:
    with browser.page(f"{served.address}#classes/owl") as page:
        page.wait(".tile")
        press(page, "ArrowRight", "d")
        until(page, "1 dropped")
        press(page, "ArrowRight", "Enter")
        until(page, "2 dropped")
        press(page, "a")
        until(page, "9 kept")
        assert counts(served) == {Answer.DROP: 2, Answer.KEEP: 9, Answer.NOT_SURE: 0}
        press(page, "z")
        assert page.text("#progress") == "11 photos looked at · 2 dropped"
        assert counts(served)[Answer.KEEP] == 0


def test_a_tab_that_is_chosen_while_the_page_is_busy_is_shown(browser: Browser, served: Served) -> None:
    with browser.page(served.address) as page:
        page.wait("#asked")

        def answer_late(route: Any) -> None:
            route.request.frame.evaluate("() => { window.location.hash = 'leaks' }")
            route.continue_()

        page.do(lambda one: one.route("**/api/queue/conflicts?*", answer_late))
        page.run("() => { window.location.hash = 'conflicts' }")
        page.wait("#tabs a[href='#leaks'][aria-current]")
        page.wait("text=A copy: drop")


def test_titles_of_strangers_are_text(browser: Browser, served: Served) -> None:
    with browser.page(served.address) as page:
        page.wait("#asked")
        assert HOSTILE_TITLE[:20] in page.text("dl")
        assert page.count("main script, main img[onerror]") == 0
        assert page.errors == []


def test_what_is_asked_of_a_pair_can_be_answered(browser: Browser, served: Served) -> None:
    with browser.page(f"{served.address}#conflicts") as page:
        page.wait("#asked")
        # Curating left out both photos, so that there is nothing to choose.
        assert page.text("#asked") == "One picture, two labels: both are left out"
        assert page.text(".answers") == "K Seen: go on N Not sure"
        page.run("() => { window.location.hash = 'leaks' }")
        page.wait("text=A copy: drop")
        assert page.text("#asked") == "Is the photo a copy of this test picture?"
        assert page.text(".answers") == "K No copy: keep D A copy: drop N Not sure"


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (400, "dark")])
def test_every_view_is_fit_for_screen_readers_and_narrow_screens(
    browser: Browser, served: Served, width: int, scheme: str
) -> None:
    with browser.page(served.address, width=width, scheme=scheme) as page:
        page.wait("#asked")
        for view in ("suspects", "classes", "classes/robin", "conflicts", "leaks", "groups", "groups/1", "done"):
            page.run(LEAVE + f"window.location.hash = '{view}' }}")
            # Two views share a tab, so that the tab alone does not say which of them is there.
            page.wait("#main:not([aria-busy]) > :first-child:not([data-left])")
            page.wait(f"#tabs a[href='#{view.split('/')[0]}'][aria-current]")
            page.until("() => [...document.images].every(one => one.complete)")
            assert page.violations() == [], view
            assert not page.is_wider_than_screen(), view
        assert page.errors == []


def test_the_page_says_when_an_answer_is_not_kept(browser: Browser, served: Served) -> None:
    with browser.page(served.address) as page:
        page.wait("#asked")
        before = page.text("dl")
        page.do(lambda one: one.route("**/api/answers", lambda route: route.abort()))
        press(page, "d")
        until(page, "The server does not answer")
        assert page.text("dl") == before
