"""Where a training runs: this machine, or a server."""
