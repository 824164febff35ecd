"""Vectors of texts at the OpenAI-compatible path, and the list of embedding models."""
