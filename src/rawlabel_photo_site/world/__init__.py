"""Who uploaded what under which words, and what searches return of it."""
