"""The OpenAI Responses API, at the OpenAI-compatible path and at the vendor's old one; it can keep what was said in a conversation."""
