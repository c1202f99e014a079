"""Write results/measured/label_evidence/README.md from the result files beside it.

python benchmarks/label_evidence/write_readme.py
"""

# ruff: noqa: E501 - the rows of the page's tables stay whole

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "results" / "measured" / "label_evidence"


def main() -> None:
    """Put the sections together."""
    cifar, site, paper = (
        json.loads((FOLDER / f"{name}.json").read_text()) for name in ("cifar10n", "photo_site", "paper")
    )
    lines = ["# Evidence about labels, judged", "", "Written by `benchmarks/label_evidence/write_readme.py`.", ""]
    lines += [*_cifar(cifar), *_site(site), *_paper(paper)]
    memorizing = FOLDER / "memorizing.json"
    if memorizing.exists():
        lines += _memorizing(json.loads(memorizing.read_text()))
    lines += _agreement(
        [json.loads((FOLDER / f"{name}.json").read_text()) for name in ("agreement", "agreement_digits")]
    )
    lines += _statistics(json.loads((FOLDER / "none_statistics.json").read_text()))
    lines += _limits()
    (FOLDER / "README.md").write_text("\n".join(lines) + "\n")


def _made_by(result: dict[str, Any]) -> str:
    one = result["provenance"]
    return f"`{one['command']}`; commit {one['commit']}, seeds {one['seeds']}, {one['hardware']}."


def _share(one: dict[str, Any]) -> str:
    return f"{100 * one['estimate']:.1f} [{100 * one['lower']:.1f}, {100 * one['upper']:.1f}]"


def _share_table(rows: list[tuple[str, list[dict[str, Any]]]]) -> Iterator[str]:
    yield "| labels | truly wrong | surest tenth | confident learning | disagreement | intervals that hold the truth |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, shares in rows:
        found = {one["estimator"]: _share(one) for one in shares}
        true = f"{100 * shares[0]['true']:.1f}"
        names = ("surest_tenth", "confident_learning", "disagreement")
        covered = sum(one["is_covered"] for one in shares)
        yield f"| {name} | {true} | {' | '.join(found[one] for one in names)} | {covered} of {len(shares)} |"
    yield ""


def _cifar(result: dict[str, Any]) -> Iterator[str]:
    training = result["training"]
    yield "## CIFAR-10N"
    yield ""
    yield (
        f"{training['model']}, {training['epochs']} epochs, a third held out, weights of the "
        f"epoch that `{training['stop']}` selects; trained with `benchmarks/label_evidence/cifar10n_runs.py` (commit "
        f"{training['commit']}; what was not committed yet touched no file of `train/`). Judged by {_made_by(result)}"
    )
    yield ""
    noises = result["noises"]
    yield "Share of wrong labels [percent, 95 % bootstrap interval over photos and runs]:"
    yield ""
    yield from _share_table(
        [
            (f"{name} ({one['runs']} run(s), {one['held_out_photos']} photos)", one["shares"])
            for name, one in noises.items()
        ]
    )
    yield "| labels | held-out accuracy by clean labels | suspicion AUROC (precision; chance) | from training epochs | rank correlation of the 90 confusions | top ten found |"
    yield "|---|--:|--:|--:|--:|--:|"
    for name, one in noises.items():
        held, trained, pairs = one["suspicion_held_out"], one["suspicion_training"], one["confusions"]
        yield (
            f"| {name} | {100 * one['held_out_accuracy_by_clean_label']:.1f} % | {held['auroc']:.3f} "
            f"({held['average_precision']:.2f}; {held['wrong_share']:.2f}) | {trained['auroc']:.3f} | "
            f"{pairs['rank_correlation']:.2f} | {10 * pairs['top_found']:.0f} of 10 |"
        )
    yield ""
    yield "Clean labels fitted first:"
    yield ""
    for name, one in noises.items():
        yield f"- {name}: {_verdict(one['fit_curves']['verdict'])}"
    yield ""
    yield (
        f"With networks this weak ({_between(100 * one['held_out_accuracy_by_clean_label'] for one in noises.values())} "
        f"% right) the confident joint is {_between(_too_high(noises.values(), 'confident_learning'))} points too high; "
        "stronger networks are known to make it too low where mistakes can be learned. The surest tenth was chosen "
        "after a look at one run each on the aggregate and the first random labels, so those two rows are no blind "
        "test; the worst labels, whose share it misses, and the photo sites are."
        if not _named(noises["worst"], "surest_tenth")["is_covered"]
        else "The worst labels are the only blind row."
    )
    yield ""


def _verdict(one: dict[str, Any]) -> str:
    if "epoch" not in one:
        return one["clean_labels_first"]
    return (
        f"{one['clean_labels_first']}; in epoch {one['epoch']} {100 * one['correct_fitted']:.0f} % of the correct and "
        f"{100 * one['wrong_fitted']:.0f} % of the wrong labels were reproduced"
    )


def _site(result: dict[str, Any]) -> Iterator[str]:
    yield "## Simulated photo sites with planted classes"
    yield ""
    yield (
        "Ten classes; one a homonym, two a pair that shares photos. Held-out predictions are those of a small network on "
        f"edge histograms, {_between(100 * one['held_out_accuracy_by_raw_label'] for one in result['sites'])} % right by "
        f"raw label. {_made_by(result)}"
    )
    yield ""
    yield "| seed | planted (homonym; pair) | places in the ranking | planted classes flagged | others flagged | rank correlation of damage with test error | seen while developing |"
    yield "|--:|---|---|--:|--:|--:|---|"
    for one in result["sites"]:
        planted, judged = one["planted"], one["planted_judged"]
        names = (
            f"{', '.join(planted.get('homonym_class', []))}; {', '.join(planted.get('sibling_pair', []))}"
            if planted
            else "none"
        )
        flagged = sum(row["signature"] != "none" for row in one["ranking"])
        own = sum(row["signature"] != "none" and row["is_planted"] for row in one["ranking"])
        places = ", ".join(str(place) for place in judged["places"]) if judged else "-"
        yield (
            f"| {one['seed']} | {names} | {places} | {own} of {sum(row['is_planted'] for row in one['ranking'])} | "
            f"{flagged - own} | {one['damage_rank_correlation_with_test_error']:.2f} | "
            f"{'yes' if one['was_developed_on'] else 'no'} |"
        )
    yield ""
    homonyms, pairs = _signatures(result["sites"])
    yield f"Signature: {homonyms[0]} of {homonyms[1]} homonyms are named diffuse loss, {pairs[0]} of {pairs[1]} members of pairs sibling collapse."
    yield ""
    yield "Share of wrong labels [percent]:"
    yield ""
    yield from _share_table([(f"seed {one['seed']}", one["shares"]) for one in result["sites"]])
    planted = [one for one in result["sites"] if one["planted"]]
    yield (
        "Planted mistakes can be learned (the network agrees with the homonym's photos): there the surest tenth is "
        f"{_between(-points for points in _too_high(planted, 'surest_tenth'))} points too low."
    )
    yield ""


def _named(one: dict[str, Any], estimator: str) -> dict[str, Any]:
    return next(share for share in one["shares"] if share["estimator"] == estimator)


def _too_high(found: Iterable[dict[str, Any]], estimator: str) -> list[float]:
    """Percentage points by which an estimate of the wrong labels exceeds the truth, in each result."""
    shares = [_named(one, estimator) for one in found]
    return [100 * (share["estimate"] - share["true"]) for share in shares]


def _between(values: Iterable[float]) -> str:
    found = list(values)
    return f"{min(found):.0f} to {max(found):.0f}"


def _signatures(sites: list[dict[str, Any]]) -> tuple[list[int], list[int]]:
    homonyms, pairs = [0, 0], [0, 0]
    for one in sites:
        for row in one["ranking"]:
            if row["is_planted"]:
                is_homonym = row["class"] in one["planted"].get("homonym_class", [])
                wanted, counts = ("diffuse loss", homonyms) if is_homonym else ("sibling collapse", pairs)
                counts[0] += row["signature"] == wanted
                counts[1] += 1
    return homonyms, pairs


def _paper(result: dict[str, Any]) -> Iterator[str]:
    yield "## The paper's 135 classes"
    yield ""
    yield f"Truth: the 35 excluded classes and the drop of each class on the test set. {_made_by(result)}"
    yield ""
    yield "| sign | classes | AUROC for excluded | rank correlation with the drop |"
    yield "|---|--:|--:|--:|"
    for one in result["signs"]:
        area, rank = one["auroc_interval"], one["rank_correlation_interval"]
        yield (
            f"| {one['sign']} | {one['classes']} | {one['auroc_excluded']:.2f} [{area[0]:.2f}, {area[1]:.2f}] | "
            f"{one['rank_correlation_with_drop']:.2f} [{rank[0]:.2f}, {rank[1]:.2f}] |"
        )
    yield ""
    area = {one["sign"]: one["auroc_excluded"] for one in result["signs"]}
    yield (
        "The mass deficit is mostly circular: the correct test images of a class are a part of its predicted mass, and "
        "exclusion and drop are made of them. The mass that comes from other classes alone, in which none of them is, "
        f"has {area['few test images of other classes taken for it']:.2f}."
    )
    yield ""
    found = result["signatures_of_excluded_classes"]
    yield (
        f"Of the excluded classes {found['sibling collapse']} lose at least half of what they lose to one other class, "
        f"{found['diffuse loss']} lose it diffusely. Not tested: {result['not_tested']}."
    )
    yield ""


def _memorizing(result: dict[str, Any]) -> Iterator[str]:
    yield "## Until wrong labels are memorized"
    yield ""
    epochs = result["fit_curves"]["epochs"]
    yield f"{result['images']} photos, {result['noise']} labels. {_made_by(result)}"
    yield ""
    yield f"Clean labels first: {_verdict(result['fit_curves']['verdict'])}. Epoch {result['selected_epoch']} was selected."
    yield ""
    yield "| epoch | correct labels reproduced | wrong labels reproduced | wrong labels seen through |"
    yield "|--:|--:|--:|--:|"
    for one in epochs[:: max(1, len(epochs) // 10)] + epochs[-1:]:
        wrong = one["wrong_labels"]
        yield (
            f"| {one['epoch']} | {100 * one['correct_fitted'] / one['correct_labels']:.0f} % | "
            f"{100 * one['wrong_fitted'] / wrong:.0f} % | {100 * one['wrong_seen_through'] / wrong:.0f} % |"
        )
    yield ""


def _agreement(results: list[dict[str, Any]]) -> Iterator[str]:
    yield "## By agreement, on features of the packaged encoder"
    yield ""
    sets = {name: one for result in results for name, one in result["sets"].items()}
    made_by = " ".join(_made_by(result) for result in results)
    yield f"AUROC of suspicion. {made_by} Sets are made by `benchmarks/label_evidence/agreement_sets.py`."
    yield ""
    yield "| set | photos | wrong | neighbors | head | agreement | unlike the class | together | without off topic | seen while developing |"
    yield "|---|--:|--:|--:|--:|--:|--:|--:|--:|---|"
    for name, one in sets.items():
        kinds = ("neighbors", "head", "agreement", "strayed", "together")
        areas = " | ".join(f"{one['suspicion'][kind]['auroc']:.3f}" for kind in kinds)
        alone = f"{one['siblings_alone']['auroc']:.3f}" if one["siblings_alone"] else "-"
        wrong = 100 * one["suspicion"]["together"]["wrong_share"]
        yield f"| {name} | {one['photos']} | {wrong:.1f} % | {areas} | {alone} | {'yes' if one['was_picked_on'] else 'no'} |"
    yield ""
    shares = [row for one in sets.values() for row in one["shares"]]
    held = sum(row["is_covered"] for row in shares)
    yield f"Two shares of wrong labels, counted among the witnesses' verdicts [percent]. No run shows them: {held} of {len(shares)} intervals hold the truth."
    yield ""
    yield "| set, share | estimate | truth | held |"
    yield "|---|--:|--:|---|"
    for name, one in sets.items():
        for row in one["shares"]:
            yield f"| {name}, {row['estimator'].replace('_', ' ')} | {_share(row)} | {100 * row['true']:.1f} | {'yes' if row['is_covered'] else 'no'} |"
    yield ""
    yield "`none of these`, with limits from seven tenths of the authors, on the photos of the others [percent]:"
    yield ""
    yield "| set | training photos outside all limits | off topic found | others turned away |"
    yield "|---|--:|--:|--:|"
    for name, one in sets.items():
        none = one["none_of_these"]
        found = (
            "-"
            if none["off_topic_found"] is None
            else f"{100 * none['off_topic_found']:.1f} % of {none['off_topic_photos']}"
        )
        yield f"| {name}: none of these | {100 * none['stated_share']:.1f} | {found} | {100 * none['others_turned_away']:.1f} |"
    yield ""


def _statistics(result: dict[str, Any]) -> Iterator[str]:
    yield "### What else could tell a photo of none of the classes"
    yield ""
    sets = result["sets"]
    yield f"AUROC of photos of none of the classes against the others, and in brackets that of photos of the other site, whose like is not among the training photos. {_made_by(result)} The sets of CIFAR-10N are of the first 3,000 images here."
    yield ""
    judged = [name for name, one in sets.items() if one["off_topic_photos"]]
    yield f"| statistic | {' | '.join(judged)} |"
    yield f"|---|{'--:|' * len(judged)}"
    for kind in sets[judged[0]]["statistics"]:
        rows = [sets[name]["statistics"][kind] for name in judged]
        areas = [f"{row['auroc']:.2f} ({row['auroc_of_strangers']:.2f})" for row in rows]
        yield f"| {kind} | {' | '.join(areas)} |"
    yield ""
    yield "With the limits that the code has: off topic found / others turned away [percent]. That of straying was picked on flowers-0.4-0. On CIFAR-10N every photo shows a class, so all who are turned away are so wrongly."
    yield ""
    yield f"| statistic at its limit | {' | '.join(sets)} |"
    yield f"|---|{'--:|' * len(sets)}"
    for kind, one in sets[judged[0]]["statistics"].items():
        if one["others_turned_away_at_limit"] is not None:
            yield f"| limit: {kind} | {' | '.join(_at_limit(found['statistics'][kind]) for found in sets.values())} |"
    yield ""


def _at_limit(one: dict[str, Any]) -> str:
    found = one["off_topic_found_at_limit"]
    left = "-" if found is None else f"{100 * found:.1f}"
    return f"{left} / {100 * one['others_turned_away_at_limit']:.1f}"


def _limits() -> Iterator[str]:
    yield "## What is not shown"
    yield ""
    yield "- Full-size networks on all of CIFAR-10N; the estimates depend on how good the networks are."
    yield "- The detector on the photos of the paper's classes, which are not published."
    yield "- The detector with a convolutional network on the simulated sites."


if __name__ == "__main__":
    main()
