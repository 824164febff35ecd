"""The /_mock API: how a test looks in and steers."""
