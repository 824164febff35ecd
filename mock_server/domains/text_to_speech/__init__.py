"""Text to speech over REST, and the voices."""
