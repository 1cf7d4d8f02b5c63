"""What counts as text, how much of it is read, and where in it tokens stand."""
