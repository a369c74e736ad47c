"""Real TLS servers on loopback whose own log is the oracle: HTTP/1.1, HTTP/2 and HTTP/3, one site."""
