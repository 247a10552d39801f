"""Makes labelled micro-expression clips."""
