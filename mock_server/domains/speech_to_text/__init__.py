"""What speech-to-text providers there are."""
