"""What arrives: feeds, recordings and grid readers; decode, validate, accept."""
