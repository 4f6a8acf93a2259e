"""The Python that trains: the present one where it has MindSpore, else one of its own."""
