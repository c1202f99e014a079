"""One file a run logger; the base is `rawlabel.train.run_logger.RunLogger`."""
