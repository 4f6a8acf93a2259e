"""What happens under faults, load and hostile input: docs/reliability.md lists the counts."""
