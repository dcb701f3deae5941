"""Make statements: signed totals of a user's outcomes in a month, which anybody can verify offline."""
