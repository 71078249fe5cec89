"""Stand-ins for the four processes, for testing the supervisor alone."""
