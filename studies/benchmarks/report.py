"""What a report of a large study costs: to build, to keep and to open.

Usage: python -m studies.benchmarks.report [--json FILE] [--trials N] [--samples N] [--repeats N]

A study is made up: two baselines and the sampler's trials, a third of them pruned, of completions of 120 words each,
with a verdict on 200 held-out samples. The page is opened in a headless Chromium, which must be installed: it is open
when it can be read, with its first figure; the others are drawn one after the other, down to the last.
"""

import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from llmsearch_optuna.report import write_report
from studies.benchmarks.browser import chromium_path, launch
from studies.benchmarks.command_line import make_parser, write_figures
from studies.benchmarks.synthetic_studies import Plan, write_study

VOCABULARY = [f"word{index}" for index in range(300)]


def text(trial: int, position: int) -> str:
    """A completion of 120 words."""
    return " ".join(VOCABULARY[(position * 31 + index * (1 + trial % 7)) % len(VOCABULARY)] for index in range(120))


def opening_seconds(chromium: str, page: Path, repeats: int) -> tuple[float, float]:
    """The median seconds until a page can be read with its first figure, and until all are drawn.

    It is opened in a new browser context each time.
    """
    to_first, to_all = [], []
    with launch(chromium) as browser:
        for _ in range(repeats):
            with browser.new_context() as context:
                window = context.new_page()
                began = time.perf_counter()
                window.goto(page.as_uri(), wait_until="commit")
                window.wait_for_selector("[data-figure] .main-svg", state="attached")
                to_first.append(time.perf_counter() - began)
                window.wait_for_selector("html[data-drawn]", state="attached")
                to_all.append(time.perf_counter() - began)
    return statistics.median(to_first), statistics.median(to_all)


def main(arguments: Sequence[str] | None = None) -> dict[str, float]:
    """Run everything, print the figures, and return them."""
    parser = make_parser(__doc__)
    parser.add_argument("--trials", type=int, default=200, help="trials, with the two baselines")
    parser.add_argument("--samples", type=int, default=500, help="samples of the search split")
    parser.add_argument("--repeats", type=int, default=5, help="of which the median is taken")
    options = parser.parse_args(arguments)
    chromium = chromium_path()
    if chromium is None:
        parser.error("Chromium is not installed")
    plan = Plan(trials=options.trials - 2, samples=options.samples, held_out=200, text=text)
    building = []
    with tempfile.TemporaryDirectory() as directory:
        page = Path(directory) / "report.html"
        study, storage = write_study(Path(directory) / "study.db", plan)
        for _ in range(options.repeats):
            began = time.perf_counter()
            write_report(study, storage, page)
            building.append(time.perf_counter() - began)
        open_s, all_drawn_s = opening_seconds(chromium, page, options.repeats)
        figures = {
            "trials": options.trials,
            "samples": options.samples,
            "build_s": statistics.median(building),
            "megabytes": page.stat().st_size / 1e6,
            "open_s": open_s,
            "all_drawn_s": all_drawn_s,
        }
    for name, value in figures.items():
        print(f"{name}: {value:.4g}")
    write_figures(options.json, figures)
    return figures


if __name__ == "__main__":
    main()
