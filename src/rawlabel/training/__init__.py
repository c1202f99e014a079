"""From photos with raw labels to a run directory with a selected epoch; `stage` is the whole of it."""
