"""Facts: classes, searches, photos, label events, outcomes of downloads."""
