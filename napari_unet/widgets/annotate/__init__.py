"""The annotate dock."""
