"""Engines: manifests, back ends, parity and the choice between them."""
