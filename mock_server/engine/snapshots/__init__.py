"""Snapshots: the whole state of an account or of the server as one file, and those that a server keeps."""
