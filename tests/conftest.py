"""Fixtures shared by all tests."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# What helpers assert is shown as tests' own asserts are.
pytest.register_assert_rewrite("tests.helpers")

from tests.helpers.browser import Browser, running_browser  # noqa: E402
from tests.helpers.long_files import LONG_FILES  # noqa: E402
from tests.helpers.trials import TRIAL, fp32_is_faster  # noqa: E402

# How long one example takes, or takes to be drawn, says more about what else the machine does than about the code.
# Examples may share a test's folder: they make folders of their own where that matters.
_OF_THE_MACHINE = (hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture)
hypothesis.settings.register_profile("any machine", deadline=None, suppress_health_check=_OF_THE_MACHINE)
hypothesis.settings.load_profile("any machine")

# A shell without job control lets its background jobs ignore Ctrl-C, and all that tests start would inherit it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).parents[1]
# What a trial of a test says of this machine is no user's; the processes of one run of the tests share it.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["RAWLABEL_CACHE"] = tempfile.mkdtemp(prefix="rawlabel-tests-")
    atexit.register(shutil.rmtree, os.environ["RAWLABEL_CACHE"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files that take longest first; all others keep their order."""
    places = {ROOT / "tests" / name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Bytes are no name: those that a packer stamped with the time differ between the processes of one run."""
    return argname if isinstance(val, bytes) else None


SHARED_DATA = Path(os.environ.get("RAWLABEL_SHARED_DATA", ROOT.parent / "shared" / "data"))


@pytest.fixture(scope="session")
def paper() -> Path:
    """Folder whose `results` and `metadata` hold the paper's own numbers and class lists."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data that does not come with the project; skips the test where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no real data here; set RAWLABEL_SHARED_DATA to the folder that holds paper/ and flowers/")
    return SHARED_DATA


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """The machine's Chromium, started once; skips the test where there is none."""
    with running_browser() as started:
        yield started


@pytest.fixture
def messages_on_stderr() -> Iterator[None]:
    """Messages go where the command line shows them, for tests that call what lies below it."""
    from rawlabel.base import messages

    with messages.on_stderr():
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """Networks this small are slower on several threads; a process that a test starts has as many."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _no_trials() -> Iterator[None]:
    """Which arithmetic is faster depends on what else the machine does, so without a trial it is fp32."""
    from rawlabel.models import precision

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "_trial", fp32_is_faster)
        yield


@pytest.fixture
def timed_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """The arithmetic is chosen as users have it, by time."""
    from rawlabel.models import precision

    monkeypatch.setattr(precision, "_trial", TRIAL)
