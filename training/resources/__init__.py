"""What of its machine this process may use: memory and cores."""
