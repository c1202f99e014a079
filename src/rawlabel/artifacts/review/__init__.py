"""What a person who looked at photos said of them, and the pairs of photos that somebody should look at."""
