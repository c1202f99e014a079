"""One file a photo source; the base is `rawlabel.gather.collect.source.Source`."""
