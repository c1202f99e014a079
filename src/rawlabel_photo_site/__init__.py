"""A simulated photo site on loopback that behaves as the real ones do, in their odd moments too."""
