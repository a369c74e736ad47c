"""A bundle to findings: no browser, no network, no trust of its own."""
