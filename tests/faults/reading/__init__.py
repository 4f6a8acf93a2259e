"""Bad input: damaged, lying and hostile files, and texts from others."""
