"""One file a run logger; the base is `rawlabel.training.run_logger.RunLogger`."""
