"""URL to artifacts: drives the browser and records what it does."""
