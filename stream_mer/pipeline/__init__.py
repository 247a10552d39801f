"""Steps, the channel between threads, and the two ways of running them."""
