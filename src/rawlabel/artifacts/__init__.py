"""The three artifacts at which stages meet, catalogue, manifest and run directory, and the photos' bytes."""
