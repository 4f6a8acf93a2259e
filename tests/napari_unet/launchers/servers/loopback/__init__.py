"""Servers on the loopback: OpenSSH's, hostile ones, and stand-ins for what a server runs."""
