"""One file a kind of label noise; the base is `rawlabel.manifests.label_noise.LabelNoise`."""
