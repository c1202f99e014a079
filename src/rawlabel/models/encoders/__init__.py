"""One file a family of encoders; the base is `rawlabel.models.encoder.EncoderFamily`."""
