"""The roof: the only place that names concrete classes and puts the house together."""
