"""The page as a person meets it: with a keyboard, on a phone, in the dark, on paper, and without scripts."""

from __future__ import annotations

import re

import pytest

from rawlabel.config import ReportConfig
from rawlabel.show.report.stage import build_report
from tests.helpers.doubted_labels import write_groups, write_label_evidence

pytestmark = pytest.mark.integration


@pytest.fixture
def page_file(project, run, manifest):
    write_label_evidence(run, manifest)
    write_groups(run, manifest)
    return build_report(ReportConfig(project=project))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (400, "light")])
def test_the_page_has_no_violation_and_fits_the_screen(browser, page_file, width, scheme):
    with browser.page(page_file, width=width, scheme=scheme) as page:
        page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert page.violations() == []
        assert not page.is_wider_than_screen()
        assert (page.errors, page.requests) == ([], [])


def test_a_count_a_class_and_a_cell_open_their_photos_by_keyboard(browser, page_file, tmp_path):
    with browser.page(page_file) as page:

        def press(selector):
            page.until("() => !document.querySelector('#viewer').open")
            page.do(lambda one: one.locator(selector).first.focus())
            page.press("Enter")
            page.wait("#viewer")

        press('#funnel-table [data-cls="bus"][data-group="rejected: too small"]')
        assert page.count("#viewer .tile") == 1
        assert "rejected: too small" in page.text("#viewer .tile")
        assert page.violations() == []
        page.press("Escape")
        page.until("() => !document.querySelector('#viewer').open")
        assert page.count("#viewer", visible=True) == 0
        assert "too small" in page.focused()  # the focus is where it was
        press('#funnel-table tr.total [data-group="kept"]')
        assert page.count("#viewer .tile") == int(re.findall("[0-9]+", page.text("#sum-line"))[1])
        page.click("#viewer .close")
        press('[data-card="bus"]')
        assert "6 of 10 test photos right" in page.text("#viewer .viewer-body")
        assert page.count('#viewer [data-kind="test"][data-true="bus"]') == 4
        assert page.count('#viewer [data-kind="suspect"][data-label="bus"]') == 3
        assert page.count('#viewer [data-kind="responsible"][data-true="bus"]') == 3
        assert page.count('#viewer [data-kind="group"][data-label="bus"]') == 3
        page.press("Escape")
        press('#heat-table [data-true="bus"]')
        assert page.count("#viewer .tile") == 4 + 3  # the test photos, and what may have taught it
        page.press("Escape")
        # The table of classes sorts, and says so to a screen reader.
        page.do(lambda one: one.locator("#accuracy-table thead button").first.focus())
        page.press("Enter")
        assert page.count('#accuracy-table th[aria-sort="descending"]') == 1
        assert (page.errors, page.requests) == ([], [])
        page.do(lambda one: one.emulate_media(media="print"))
        # Numbers that are folded are printed; photos that are folded, and what needs a click, are not.
        assert page.count("#epoch-table", visible=True) == page.count("#words dl", visible=True) == 1
        assert page.count("#suspects", visible=True) == 1
        page.run("document.querySelector('#suspects').closest('details').open = false")
        assert page.count("#suspects", visible=True) == page.count("nav", visible=True) == 0
        assert page.pdf(tmp_path / "report.pdf").stat().st_size > 10_000


def test_without_a_script_all_numbers_read(browser, page_file):
    with browser.page(page_file, script=False) as page:
        assert "names 75.0 % of 20 test photos rightly" in page.text("#sentence")
        assert "6 of 10" in page.text("#accuracy-table tbody tr:last-child")
        assert "too small 1" in page.text("#funnel-table tr:first-child .chips")


def test_the_lists_beside_the_page_show_the_projects_own_files(browser, page_file, project, monkeypatch):
    monkeypatch.setattr("rawlabel.show.report.photos.more.MOST_KEPT", 1)
    with browser.page(build_report(ReportConfig(project=project, photos_per_class=1))) as page:
        assert page.count(".rest a") > 0
        first = page.run("document.querySelector('.rest a').href")
    with browser.page(first) as page:
        page.until("() => [...document.images].every(one => one.complete && one.naturalWidth > 0)")
        assert page.violations() == []
        assert page.errors == []
