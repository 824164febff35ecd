"""Messages as Anthropic's clients send and read them."""
