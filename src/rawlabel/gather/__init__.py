"""From class names to a curated set: class lists, collecting, curating, ImageNet as downloaded."""
