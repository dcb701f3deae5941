"""Store and read the definitions by which a user says which outcomes count."""
