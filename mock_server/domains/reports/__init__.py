"""Legacy reports of speech to text."""
