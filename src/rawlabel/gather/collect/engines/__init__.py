"""Where photos are downloaded and decoded: in this process, or as tasks of a Ray cluster."""
