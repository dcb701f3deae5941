"""Store and read watches, by which a user is told when figures cross a line, and the digest's setting."""
