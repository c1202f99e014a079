"""Which pictures are copies of each other, within a set or between two, by their pixels alone."""
