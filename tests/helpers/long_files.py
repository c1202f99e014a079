"""Test files that take longest; they run first.

Whole files go to one of several processes; a long one that starts last leaves the others idle at the end.
"""

LONG_FILES = (
    "collect/test_ray_engine.py", "collect/test_collect.py", "experiments/test_experiments.py", "test_demo.py",
    "test_published_readme.py", "train/test_training.py", "export_model/test_flowers.py", "bench/test_bench.py",
    "train/test_distributed.py", "test_examples.py", "train/test_method_runs.py", "copies/test_promises.py",
    "rebuild/test_rebuild.py", "train/transfer/test_runs.py", "report/test_report_page.py", "serve/test_serve.py",
)  # fmt: skip
