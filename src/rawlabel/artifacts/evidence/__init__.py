"""What a run directory says beside its log, as frozen records: head, weights, simple classifiers, labels."""
