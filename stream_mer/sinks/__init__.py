"""Where results go: events, video, screen, summary."""
