"""Conversations and their messages: kept, listed by PostgREST-style filters, read page by page."""
