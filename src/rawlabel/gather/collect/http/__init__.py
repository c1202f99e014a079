"""The one HTTP client: what may be asked, and when."""
