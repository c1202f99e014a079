"""What every room stands on: files, processes, signals, progress, locks, statistics."""
