"""What is trained around a run: networks that judge labels, a teacher, a refit."""
