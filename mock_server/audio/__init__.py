"""Audio that carries its text: synthesis, formats, and reading it back. Pure: no FastAPI, no SQL, no time, no chance."""
