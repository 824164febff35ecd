"""Exchanges that were recorded from another server: their files, which of them a request meets, how it is played back."""
