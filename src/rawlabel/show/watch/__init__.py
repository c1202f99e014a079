"""The curves of a run in the terminal, while it trains."""
