"""Pure sums: geometry, registration, tracking, windowing, spotting, metrics; no clock, thread or file."""
