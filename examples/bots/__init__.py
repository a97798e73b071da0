"""A journal kept by a bot: one recipe for each of three frameworks."""
