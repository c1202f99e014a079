"""What is measured and logged of each epoch, and of each image; no clean or test label is seen."""
