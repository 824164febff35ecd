"""Summaries of objects in buckets."""
