"""What every result file says about where it comes from."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from rawlabel.artifacts.run_directory import describe_environment


def provenance(**facts: Any) -> dict[str, Any]:
    """Commit, command with the names of folders only, hardware, versions, and `facts` such as the seeds."""
    environment = describe_environment()
    words = [Path(word).name if "/" in word else word for word in sys.argv[1:]]
    script = f"benchmarks/label_evidence/{Path(sys.argv[0]).name}"
    return {
        "commit": environment.commit,
        "command": shlex.join(["python", script, *words]),
        "hardware": environment.processor,
        "python": environment.python,
        "packages": dict(environment.packages),
        **facts,
    }
