"""POST /messages: just enough for the brief's error-handling snippet; nothing is sent."""
