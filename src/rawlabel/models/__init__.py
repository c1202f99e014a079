"""Networks and the methods that own them, on a device: built, loaded and asked."""
