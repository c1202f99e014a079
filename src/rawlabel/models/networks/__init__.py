"""Networks by name: timm's, torchvision's and those of the field's papers."""
