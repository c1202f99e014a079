"""ImageNet as it is downloaded into class folders."""
