"""Reads labelled clips from disk."""
