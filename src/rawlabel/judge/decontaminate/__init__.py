"""No test image among the candidates: which of them are copies of test images, by their pictures alone."""
