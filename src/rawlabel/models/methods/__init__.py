"""One file a training method; the base is `rawlabel.models.method.Method`."""
