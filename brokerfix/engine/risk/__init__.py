"""What an order may not do."""
