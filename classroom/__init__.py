"""The instructor's side of the kit: make a release, grade what comes back. A learner gets none of it."""
