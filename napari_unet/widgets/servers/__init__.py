"""The dialog of servers."""
