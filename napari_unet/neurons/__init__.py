"""From the probability of membrane to numbered neurons."""
