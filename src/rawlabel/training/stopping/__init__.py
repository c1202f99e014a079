"""One file a stopping rule; the base is `rawlabel.training.stopping_rule.StoppingRule`."""
