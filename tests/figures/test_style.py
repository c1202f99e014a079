"""What all figures share."""

from __future__ import annotations

from rawlabel.show.figures.style import figure_style, log_axis, new_figure


def test_a_logarithmic_axis_is_marked_in_plain_numbers() -> None:
    with figure_style():
        figure = new_figure(4, 3)
        axes = figure.subplots()
        axes.plot([30, 20_000], [1, 2])
        log_axis(axes, [375, 750, 1500, 12_000])
        figure.draw_without_rendering()
        labels = [tick.get_text() for tick in axes.get_xticklabels() + axes.get_xticklabels(minor=True)]
    # 1000 would stand too close to 750 and 1500, and 10000 to 12000.
    assert labels == ["100", "375", "750", "1500", "12000"]
