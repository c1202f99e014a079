"""What a run directory says beside its log, as frozen records: its head, simple classifiers, doubtful labels."""
