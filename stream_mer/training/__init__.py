"""Trains and exports the engines; the only room that imports torch."""
