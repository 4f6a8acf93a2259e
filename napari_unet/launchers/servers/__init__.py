"""Trainings on servers, over SSH: nothing there needs to be watched."""
