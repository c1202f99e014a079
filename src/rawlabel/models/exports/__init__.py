"""Formats that a run's model is exported to, one file each; `rawlabel.models.model_format` is their base."""
