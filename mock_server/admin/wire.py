"""Words of the admin API."""

Told = {401: "Authentication failed", 403: "Authorization failed", 404: "Resource not found", 405: "Method not allowed"}
