"""What was known, and when: the store, its outbox and the model registry."""
