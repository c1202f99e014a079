"""The frozen-encoder probe: simple classifiers on features that no training here moves, as a peer of a run.

A linear classifier (`linear`) and k nearest neighbors (`nearest_neighbors`) are fitted to raw labels, and their
settings are chosen on the raw holdout. Nothing in this package can open a test set or a truth file: it lies below
`rawlabel.judge.evaluate`, which measures what was chosen.
"""
