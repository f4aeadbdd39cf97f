"""What people are shown of a task: performance, drift, usage, health. Reads only."""
