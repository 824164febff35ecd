"""Embedding of storage buckets: tasks, the chunks of documents with their vectors, similarity search."""
