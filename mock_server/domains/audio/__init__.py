"""Transcriptions."""
