"""What servers ask when a person logs in, who answers, and what is kept of it: in memory alone."""
