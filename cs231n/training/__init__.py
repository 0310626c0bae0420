"""What surrounds the training loop: options, checkpoints, run folders, random state, schedules."""
