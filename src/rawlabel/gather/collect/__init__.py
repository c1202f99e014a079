"""Search photo sites by keyword and download what they return."""
