"""The devices of a run and its processes: found, started, watched, ended."""
