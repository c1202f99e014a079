"""One file a format that images and labels come in; the base is `rawlabel.images.input.Input`."""
