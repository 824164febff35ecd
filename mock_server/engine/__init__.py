"""What every exchange shares. Knows no domain."""
