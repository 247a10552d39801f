"""Sources of frames: files, addresses and cameras, one library a file."""
