"""What a request may say and what answers look like. Knows no AWS and no HTTP."""
