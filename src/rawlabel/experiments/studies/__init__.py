"""One file a question; the base is `rawlabel.experiments.experiment.Experiment`."""
