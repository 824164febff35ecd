"""Chat completions, at the vendor's old path and at the OpenAI-compatible one."""
