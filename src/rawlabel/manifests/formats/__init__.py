"""One file an export format; `rawlabel.manifests.export` runs them."""
