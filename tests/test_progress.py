"""What a person sees of long work where there is no terminal."""

from __future__ import annotations

import pytest

from rawlabel.base import progress


def test_the_time_that_is_left_is_told_once_after_a_few_items(monkeypatch: pytest.MonkeyPatch) -> None:
    now, told = [0.0], []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress("training", 1000, done=400) as task:
        task.when_estimated = told.append
        for seconds in (90, 2, 2, 2, 2, 2, 2, 2):  # the first one waited for much else
            now[0] += seconds
            task.advance()
            now[0] += 60  # an epoch is measured, which is no item
            task.pass_over(60)
    assert told == [2 * 594]


@pytest.mark.usefixtures("messages_on_stderr")
def test_a_line_says_how_much_is_done_and_how_long_the_rest_takes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with progress.progress("training", 1000, done=400) as task:
        task.advance(10)
        now[0] += 90
        task.advance(90, note="epoch 2/4")
        task.advance(500)
    # 100 in 90 seconds, without those that an earlier start had done; the rest, 500, takes five times as long.
    assert capsys.readouterr().err.splitlines() == [
        "training: 500/1000 (0:07:30 left) epoch 2/4",
        "training: 1000/1000 epoch 2/4",
    ]
