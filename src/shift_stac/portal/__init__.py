"""What a campaign publishes, and bringing it here: listings, transfers, verified downloads."""
