"""`rawlabel demo`."""

from __future__ import annotations

from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import DemoConfig

GROUP = "model"
PLACE = 10
SUMMARY = "run the whole chain on a simulated photo site: no key, no network, no GPU"


def _demo(config: DemoConfig) -> Ending:
    from rawlabel.chain.demo import describe, run_demo
    from rawlabel.cli.verbs.photo_site import serve

    results = run_demo(config, serve)
    for result in results:
        if len(results) > 1:
            say(f"seed {result.seed}")
        for line in describe(result):
            say(line)
    if len(results) > 1:
        say((config.out / "seeds.md").read_text("utf-8"))
    built = [(one, one.built) for one in results]
    give(
        [
            {"seed": one.seed, "counts": made.counts, "run": made.run.path, "summary": one.summary.as_json()}
            for one, made in built
        ]
    )
    return Ending(("build", "barn owl", "robin", "--project", "birds", "--contact", "you@example.org"))


COMMAND = section_command("demo", DemoConfig, _demo)
