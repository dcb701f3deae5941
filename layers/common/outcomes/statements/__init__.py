"""Make statements: signed totals of a user's outcomes in a month, quarter or year, which anybody can verify offline."""
