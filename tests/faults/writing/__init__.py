"""Work that writes, killed at any moment or on a disk that fails."""
