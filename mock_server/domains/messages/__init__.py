"""POST /messages: just enough for the error-handling snippet of the vendor's examples; nothing is sent."""
