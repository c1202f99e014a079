"""Test files that take longest; they run first.

Whole files go to one of several processes; a long one that starts last leaves the others idle at the end.
"""

LONG_FILES = (
    "export_model/test_flowers.py", "test_demo.py", "collect/test_ray_engine.py", "train/test_distributed.py",
    "collect/test_collect.py", "train/test_training.py", "test_published_readme.py", "test_examples.py",
    "experiments/test_experiments.py", "report/test_report_page.py", "bench/test_bench.py", "serve/test_serve.py",
)  # fmt: skip
