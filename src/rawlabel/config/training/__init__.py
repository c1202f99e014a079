"""Sections of the settings of training, by what they are about; `rawlabel.config.train` puts them together."""
