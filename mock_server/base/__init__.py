"""Pure parts: settings, time, ids, plans, quirks, errors. No FastAPI, no SQL, nothing of ours."""
