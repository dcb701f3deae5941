"""One judge of all features at once: every command between any two calls of every other, and all of them at random."""
