"""What tests share: sites, projects, runs and writers. No test module imports another test module."""
