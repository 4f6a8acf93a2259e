"""What a Python of Windows lacks, taken from this one."""
