"""stream_mer finds facial micro-expressions in video, live or recorded."""

__version__ = "0.1.0"
