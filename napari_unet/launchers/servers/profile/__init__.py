"""What a person says of a server: its fields, their limits, and how they are asked for."""
