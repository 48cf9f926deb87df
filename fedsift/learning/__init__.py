"""From rows to a task vector: models, tasks, tuning, reproducibility."""
