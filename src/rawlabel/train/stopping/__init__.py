"""One file a stopping rule; the base is `rawlabel.train.stopping_rule.StoppingRule`."""
