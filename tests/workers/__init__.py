"""Programs that fault tests start, kill and race, and what a test must know to judge what they left behind."""
