"""One HTML page about a collection and a run; needs no torch."""
