"""Insights: templates, groups of them, and what they found in conversations."""
