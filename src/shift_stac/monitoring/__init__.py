"""What runs did, and what wants attention: figures, alerts, and the report made of them."""
