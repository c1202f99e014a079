"""Helpers of the benchmark of downloading (`benchmarks/downloader.py`)."""
