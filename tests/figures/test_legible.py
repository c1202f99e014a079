"""The paper's figures can be read at the width of its text, and by readers who see colours otherwise."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from rawlabel.config import FiguresConfig
from rawlabel.show.figures.confusion import _ERROR_COLORS
from rawlabel.show.figures.output import FigureFolder
from rawlabel.show.figures.stage import draw_figures
from rawlabel.show.figures.style import CLEAN_COLOR, HOLDOUT_COLOR, RAW_COLOR, SUBSET_COLOR

PAPER_WIDTH = 5.5
"""Width of the text of the paper's pages [inches]."""
SMALLEST = 5.5
"""Size of the smallest text [points]."""
# What red-blind, green-blind and blue-blind eyes see of linear RGB: Machado, Oliveira and Fernandes, 2009.
_SEEN = {
    "red": "0.152286 1.052583 -0.204868  0.114503 0.786281 0.099216  -0.003882 -0.048116 1.051998",
    "green": "0.367322 0.860646 -0.227968  0.280085 0.672501 0.047413  -0.011820 0.042940 0.968881",
    "blue": "1.255528 -0.076749 -0.178779  -0.078411 0.930809 0.147602  0.004733 0.691367 0.303900",
}
BLINDNESS = {"none": np.eye(3)} | {
    name: np.array(numbers.split(), dtype=float).reshape(3, 3) for name, numbers in _SEEN.items()
}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Figure]]:
    """The paper's figures, as they are before they are written."""
    figures: dict[str, Figure] = {}
    with pytest.MonkeyPatch.context() as patch:

        def keep(self: FigureFolder, figure: Figure, name: str) -> None:
            figure.draw_without_rendering()
            figures[name] = figure

        patch.setattr(FigureFolder, "save", keep)
        root = Path(__file__).parents[2]
        draw_figures(FiguresConfig(results=root / "results", out=tmp_path_factory.mktemp("figures")))
    yield figures


def texts(figure: Figure) -> list[Text]:
    return [one for one in figure.findobj(Text) if one.get_visible() and one.get_text()]


@pytest.mark.integration
def test_at_the_papers_width_no_text_is_small_cut_or_beyond_the_edge(drawn: dict[str, Figure]) -> None:
    assert len(drawn) == 7
    for name, figure in drawn.items():
        assert figure.get_figwidth() == PAPER_WIDTH, name
        assert figure.get_figheight() <= 9, name
        edge = figure.bbox
        # Marks beyond the limits of their axis are kept by matplotlib, but not drawn.
        marks = {one for axes in figure.axes for one in (*axes.get_xticklabels(), *axes.get_yticklabels())}
        for text in texts(figure):
            assert text.get_fontsize() >= SMALLEST, (name, text)
            assert "…" not in text.get_text() and "..." not in text.get_text(), (name, text)
            box = text.get_window_extent()
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= edge.x1 + 1 and box.y1 <= edge.y1 + 1
            assert inside or text in marks, (name, text, box)
        names = [one for axes in figure.axes for one in axes.get_yticklabels() if one.get_text().isalpha()]
        assert all(one.get_window_extent().x0 >= 0 for one in names), name


@pytest.mark.integration
@pytest.mark.parametrize("model", ["flickr", "imagenet"])
def test_figure_5b_names_every_shown_error_in_full_and_no_two_texts_touch(
    drawn: dict[str, Figure], model: str
) -> None:
    figure = drawn[f"figure_5b_{model}"]
    shown = texts(figure.axes[1])
    words = [one.get_text() for one in shown]
    assert sum(word[0].isdigit() and " " in word for word in words) == 3 * 20
    for one, other in itertools.combinations([text.get_window_extent() for text in shown], 2):
        assert not one.overlaps(other)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB of linear sRGB."""
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ rgb
    x, y, z = np.cbrt(np.clip(xyz / [0.9505, 1, 1.089], 0.008856, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("blindness", BLINDNESS)
@pytest.mark.parametrize(
    "colors",
    [(CLEAN_COLOR, *_ERROR_COLORS, "white"), (RAW_COLOR, CLEAN_COLOR, HOLDOUT_COLOR, SUBSET_COLOR)],
    ids=["figure 5-b", "curves"],
)
def test_colours_differ_for_colour_blind_readers(colors: tuple[str, ...], blindness: str) -> None:
    linear = [np.power(to_rgb(one), 2.2) for one in colors]
    seen = [lab(np.clip(BLINDNESS[blindness] @ one, 0, 1)) for one in linear]
    # A difference of 2.3 can just be seen.
    assert min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2)) > 10
