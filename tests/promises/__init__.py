"""What minilm promises beyond the numbers, each promise tried."""
