"""What happens under faults, load and hostile input: docs/reliability.md tells the counts."""
