"""Grids of trainings whose table answers one question."""
