"""What a person looks at: the page about a run, and the paper's figures."""
