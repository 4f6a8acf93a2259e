"""What a run trains on: images with their labels, checked, and split for validation."""
